"""How many tokens a question is, counted with the o200k vocabulary: `python -m bench.words` prints one JSON object."""

import json
import sys
from typing import Any


def main() -> None:
    sys.stdout.write(json.dumps(counted()))


def counted() -> dict[str, Any]:
    """Of the full prompt for six instruments with positions in three of them, and of the emergency prompt."""
    from bots.domain import emergency
    from bots.domain.prompt import render, tokens_at_most
    from bots.prompts import shipped
    from bots.tests import prompts

    told = prompts.six()
    prompt, close = render(told, shipped("standard")), emergency.render(told, shipped("emergency"))
    static, moment = prompts.counted(prompt.system), prompts.counted(prompt.user)
    return {
        "whole": static + moment,
        "static": static,
        "moment": moment,
        "emergency": prompts.counted(close.system) + prompts.counted(close.user),
        "characters_a_token": prompt.characters / (static + moment),
        "estimate": tokens_at_most(prompt.system) + tokens_at_most(prompt.user),
    }


if __name__ == "__main__":
    main()
