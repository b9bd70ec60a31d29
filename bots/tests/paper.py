"""A bot that has traded on the paper venue by the real processes, and the same as a backtest, both as plain rows."""

from dataclasses import replace
from decimal import Decimal

from bots import deciders
from bots.backtests import engine, loader
from bots.models import Bot, DecisionItem
from ledger.models import CashEntry, Order, Position, Trade
from markets.domain.candles import instant
from markets.models import Feed


def of_bot(bot: Bot) -> dict[str, list[tuple[object, ...]]]:
    """Decisions, orders, fills, cash entries, positions, locks and cash of a bot, as the ledger has them."""
    book = bot.book
    book.refresh_from_db()
    items = DecisionItem.objects.filter(decision__bot=bot).order_by("id").select_related("decision")
    orders = Order.objects.filter(book=book).order_by("id").select_related("instrument", "intent")
    trades = Trade.objects.filter(book=book).order_by("id").select_related("instrument", "order")
    income = CashEntry.objects.filter(book=book, kind__in=("funding", "liquidation")).order_by("id")
    held = Position.objects.filter(book=book, opened_at__isnull=False).order_by("closed_at", "instrument")
    return {
        "decisions": [
            (i.decision.at, i.symbol, i.action, i.outcome, i.quantity, i.price, i.stop, i.target,
             [(v["code"], v["effect"], v["text"]) for v in i.verdicts]) for i in items
        ],
        "orders": [
            (o.at, o.instrument.symbol, o.role, o.type, o.side, o.quantity, o.price, o.trigger, o.leverage, o.filled,
             o.state == "refused") for o in orders
        ],
        "fills": [
            (t.at, t.instrument.symbol, t.side, t.quantity, t.price, t.fee, t.realised, t.maker, t.liquidation,
             t.order.role if t.order else None) for t in trades
        ],
        "income": [(e.at, e.kind, e.amount) for e in income],
        "closed": [
            (p.instrument.symbol, p.opened_at, p.closed_at, p.size, p.realised, p.fees, p.funding, p.exit_reason)
            for p in held if p.closed_at
        ],
        "open": [
            (p.instrument.symbol, p.opened_at, p.quantity, p.cost, p.margin, p.stop, p.target, p.fees, p.funding)
            for p in held if not p.closed_at
        ],
        "locks": sorted((o.at, o.until, o.kind, o.symbol, o.side, o.reason) for o in book.locks.all()),
        "cash": [(book.cash,)],
    }  # fmt: skip


def of_result(result: engine.Result, decisions: list[tuple[object, ...]]) -> dict[str, list[tuple[object, ...]]]:
    """The same rows of a backtest."""
    return {
        "decisions": decisions,
        "orders": [
            (o.at, o.request.symbol, o.role, o.request.type, o.request.side, o.request.quantity, o.request.price,
             o.request.trigger, o.request.leverage, o.filled, o.refused) for o in result.orders
        ],
        "fills": [
            (t.fill.at, t.fill.symbol, t.fill.side, t.fill.quantity, t.fill.price, t.fill.fee, t.fill.realised,
             t.fill.maker, t.fill.liquidation, t.role) for t in result.trades
        ],
        "income": [(i.at, i.kind, i.amount) for i in result.incomes],
        "closed": [
            (p.symbol, p.opened_at, p.closed_at, p.figures.size, p.figures.realised, p.figures.fees, p.funding,
             p.exit_reason) for p in result.closed
        ],
        "open": [
            (p.symbol, p.opened_at, p.figures.quantity, p.figures.cost, p.figures.margin, p.stop, p.target,
             p.figures.fees, p.funding) for p in result.open
        ],
        "locks": sorted((at, o.until, o.kind, o.symbol, o.side, o.reason) for at, o in result.locks),
        "cash": [(result.cash,)],
    }  # fmt: skip


def setup(bot: Bot, **changes) -> engine.Setup:
    """The bot as the setup of a backtest that asks at every slot and keeps every order."""
    made = engine.Setup(
        decider=deciders.get(bot.decider),
        policy=bot.policy.limits,
        timeframes=tuple(bot.timeframes),
        interval=bot.interval_seconds * 1000,
        cash=Decimal(10_000),
        name=bot.name,
        seed=bot.seed,
        foresee=False,
        keep_orders=True,
    )
    return replace(made, **changes)


def backtested(bot: Bot, feed: Feed, base: str, **changes) -> dict[str, list[tuple[object, ...]]]:
    """What the engine makes of the same bot on the candles that the feed has told so far."""
    market = loader.load(
        exchange=feed.exchange,
        symbols=[instrument.symbol for instrument in bot.instruments.all()],
        timeframes=bot.timeframes,
        start=feed.starts_at,
        end=feed.market_now,
        base=base,
    )
    assert market.at(0) == feed.starts_at
    assert instant(market.end) == feed.market_now
    decisions: list[tuple[object, ...]] = []

    def heard(briefing, raw, plan):
        for item in plan.items:
            proposal, draft = item.proposal, item.draft
            decisions.append(
                (briefing.now, item.symbol, item.action, item.outcome, draft.quantity if draft else None,
                 draft.price if draft else None, proposal.stop if proposal else None,
                 proposal.target if proposal else None, [(v.code, v.effect, v.text) for v in item.verdicts])
            )  # fmt: skip

    result = engine.Backtest(market, setup(bot, **changes), heard).run()
    return of_result(result, decisions)
