"""Paper equals backtest: the same candles, traded by the real processes and by the engine, to the last digit."""

import pytest

from bots import dispatch
from bots.models import Bot
from bots.tests import lockstep, paper

pytestmark = pytest.mark.django_db(transaction=True)


def same(live, tested) -> None:
    """Compare part by part, so that the first difference is told by itself."""
    for part in live:
        live[part], tested[part] = _ordered(part, live[part]), _ordered(part, tested[part])
    for part, rows in live.items():
        for number, (one, other) in enumerate(zip(rows, tested[part], strict=False)):
            assert one == other, f"{part} {number}"
        assert len(rows) == len(tested[part]), part


def _ordered(part, rows):
    # Positions that end at the same instant have no order among them.
    return sorted(rows, key=lambda row: (row[1], row[0])) if part in ("closed", "open") else rows


@pytest.mark.requirement("BKT-01")
def test_every_demo_bot_on_a_simulated_market():
    feed = lockstep.market()
    lockstep.drive(feed, 240)
    dispatch.close_books(feed)

    fills = 0
    for bot in Bot.objects.order_by("pk"):
        live = paper.of_bot(bot)
        same(live, paper.backtested(bot, feed, "1m"))
        fills += len(live["fills"])
    assert fills > 20
