"""A prompt as a bot's model would get it now. Pages ask for one by a row, and a worker renders it.

The web process computes no indicators, so it never renders; it shows what a worker has left in the row.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog

from ledger import valuation
from markets import snapshots
from markets.feeds import clock

from . import cycle, recollection
from .domain.briefing import Briefing
from .domain.prompt import Prompt, Wording, render
from .models import Bot, Cycle, PromptPreview, TaskState
from .questions import wording

KEPT = timedelta(hours=1)
AT_ONCE = 20
log = structlog.get_logger(__name__)


def briefing_now(bot: Bot) -> Briefing:
    """What the bot's model would be told if it were asked at this instant of its feed, whoever decides for it."""
    now = clock.now(bot.book.account.feed)  # type: ignore[union-attr]
    run = cycle.Run(Cycle(bot=bot, slot=now), bot, cycle.instruments_of(bot), now)
    market = snapshots.snapshot(run.account.feed, run.instruments.values(), bot.timeframes, now)
    briefing = cycle.brief(run, market, valuation.account_portfolio(account=run.account))
    last, _ = recollection.last_asked(bot)
    return replace(briefing, story=recollection.story(bot=bot, last=last, instruments=run.instruments))


def prompt_now(bot: Bot, text: str | None = None) -> Prompt:
    """The prompt of now, with the bot's own wording or with `text`."""
    return render(briefing_now(bot), wording(bot) if text is None else Wording(text))


def ask(*, bot: Bot, text: str) -> PromptPreview:
    """A row that a worker will fill; older ones of the bot are forgotten."""
    PromptPreview.objects.filter(bot=bot, asked_at__lt=datetime.now(UTC) - KEPT).delete()
    return PromptPreview.objects.create(bot=bot, text=text)


def render_asked() -> int:
    """Fill the rows that pages are waiting for. Returns how many."""
    waiting = PromptPreview.objects.filter(state=TaskState.ASKED).order_by("id")
    rows = waiting.select_related("bot__book__account__feed", "bot__policy", "bot__prompt_version__prompt")
    return sum(_fill(preview) for preview in list(rows[:AT_ONCE]))


def _fill(preview: PromptPreview) -> int:
    row = PromptPreview.objects.filter(pk=preview.pk)
    if not row.filter(state=TaskState.ASKED).update(state=TaskState.RUNNING):
        return 0
    try:
        briefing = briefing_now(preview.bot)
        prompt = render(briefing, Wording(preview.text))
        found = {"state": TaskState.DONE, "system": prompt.system, "user": prompt.user, "market_at": briefing.now}
    except Exception as error:  # Whatever fails is told on the page that waits; the next row must not suffer.
        log.exception("preview_failed", preview=preview.pk)
        found = {"state": TaskState.FAILED, "error": f"{type(error).__name__}: {error}"[:300]}
    return row.update(**found)
