"""The question to a model: a system part that stays the same byte for byte, and a user part about this moment.

Pure: the same briefing and wording give the same bytes. What a limit is said to be comes from the rules that enforce
it, and from nowhere else.
"""

from dataclasses import dataclass
from hashlib import sha256
from math import ceil

from .briefing import Briefing
from .prompt_account import account
from .prompt_contract import contract
from .prompt_market import market

# Prose has four characters to a token of the large vocabularies, dense numbers two; so many there always are.
CHARACTERS_A_TOKEN = 1.7


@dataclass(frozen=True, slots=True)
class Wording:
    """What an owner may word freely: who the model is and how it should think. `version` names it in records."""

    text: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Two messages. `system` is the same for all moments of one wording, policy and set of instruments."""

    system: str
    user: str

    @property
    def characters(self) -> int:
        return len(self.system) + len(self.user)

    @property
    def digest(self) -> str:
        """SHA-256 over both parts, in hexadecimal: two prompts with one digest are the same question."""
        return sha256(f"{len(self.system)}:{self.system}{self.user}".encode()).hexdigest()


def render(briefing: Briefing, wording: Wording) -> Prompt:
    """The prompt of this moment."""
    return Prompt(contract(briefing, wording.text), f"{market(briefing)}\n{account(briefing)}")


def tokens_at_most(text: str) -> int:
    """No fewer tokens than `text` has in practice: for reservations, where too little would be an overdraft."""
    return ceil(len(text) / CHARACTERS_A_TOKEN)
