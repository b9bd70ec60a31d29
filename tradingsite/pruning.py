"""What may go by age, over all apps: the order in which it goes, and how much went. The apps say what may go.

Trades, orders, positions, cash, intents and decisions that acted or were refused are never removed.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from bots import retention as bots
from bots.models import Backtest
from ledger import retention as ledger
from ledger.models import EquityPoint
from markets import retention as markets
from markets.models import Candle, PaperReport


def prune(*, days: Mapping[str, int], dry_run: bool = False) -> Iterator[tuple[Any, int]]:
    """Remove what is older than `days` of market time (see KEEP_DAYS); each table with its number of rows, in turn."""
    yield from bots.holds(days=days["holds"], dry_run=dry_run).items()
    yield Backtest, bots.backtests(days=days["backtests"], wall=datetime.now(UTC), dry_run=dry_run)
    hourly = max(days["equity"], days["equity_hourly"])
    yield EquityPoint, ledger.equity_points(days=days["equity"], hourly_days=hourly, dry_run=dry_run)
    yield PaperReport, ledger.reports(days=days["reports"], dry_run=dry_run)
    simulated = markets.candles(days=days["candles"], dry_run=dry_run)
    real = markets.real_candles(days=settings.KEEP_REAL_CANDLES, now=timezone.now(), dry_run=dry_run)
    yield Candle, simulated + real
