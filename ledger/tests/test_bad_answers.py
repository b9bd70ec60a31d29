"""What comes from outside may be nonsense: one sentence on the account, nothing half-done, and exits go on."""

from datetime import timedelta
from decimal import Decimal

import pytest

from ledger import closing
from ledger.domain.intents import Kind
from ledger.models import CashEntry, Order, OrderState, Position, Trade
from ledger.tests.fake_desk import BTC, FakeDesk
from markets.exchanges import live_calls
from markets.tests.fake_exchange import trading

pytestmark = pytest.mark.django_db
QUESTIONS = ("positionRisk", "balance", "openOrders", "openAlgoOrders", "userTrades", "income", "symbolConfig")
NONSENSE = {
    "page": "<html><body>Sorry!</body></html>", "row for rows": '{"ok": true}', "names for rows": '["a", "b"]',
    "null": "null", "text": '"fine"', "rows of nothing": "[{}]",
    "wrong types": '[{"symbol": 7, "positionAmt": [], "asset": "USDT", "balance": {}, "id": null, "orderId": true,'
                   ' "algoId": {}, "incomeType": [], "leverage": "much", "time": "now"}]',
}  # fmt: skip


@pytest.fixture
def desk(served, settings, monkeypatch):
    monkeypatch.setattr(live_calls, "PAUSE_SECONDS", 0.0)
    yield FakeDesk.connect(served, settings, monkeypatch)
    served.faults.clear()


def posts(desk):
    return [call for call in desk.fake.log.of(method="POST") if "rder" in call.path]


def rows():
    return [list(model.objects.order_by("id").values_list()) for model in (Trade, CashEntry)]


@pytest.mark.requirement("LED-06")
@pytest.mark.parametrize("what", list(NONSENSE))
def test_nonsense_for_an_answer_proves_nothing_and_exits_go_on(desk, what, caplog):
    desk.trade(desk.draft())
    desk.round()
    before, sent, stop = rows(), len(posts(desk)), desk.stop().pk
    for path in QUESTIONS:
        desk.fake.faults.clear()
        desk.fake.faults.add("body", path, method="GET", times=None, body=NONSENSE[what])
        desk.older(61)  # whatever is looked at seldom is due
        desk.round()

    assert "guardian_failed" not in caplog.text
    assert rows() == before
    assert len(posts(desk)) == sent
    assert (desk.stop().pk, Position.objects.open().get().quantity) == (stop, Decimal("0.1"))

    desk.fake.faults.clear()
    desk.fake.faults.add("body", "/fapi/v", method="GET", times=None, body=NONSENSE[what])
    for _ in range(3):
        desk.wait(31)
    assert desk.account.trouble.startswith("The venue does not answer: ")
    assert "not_reconciled" in desk.alerts()
    closing.close(account=desk.account, instrument_id=desk.instrument.pk, why="test", now=desk.now)
    assert desk.customer.position(BTC).quantity == 0

    desk.fake.faults.clear()
    for _ in range(3):
        desk.wait(11)
    assert desk.account.trouble == ""
    assert desk.balanced() == []


@pytest.mark.requirement("EXE-03")
@pytest.mark.parametrize("body", [*NONSENSE.values(), '{"orderId": 1, "status": "NEW", "clientOrderId": "web_1"}'])
def test_nonsense_for_an_order_leaves_it_unknown_and_it_is_found(desk, body):
    desk.fake.faults.add("body", "/fapi/v1/order", method="POST", body=body)
    desk.fake.faults.add("body", "/fapi/v1/algoOrder", method="POST", body=body)
    entry = desk.trade(desk.draft())
    for _ in range(3):
        desk.wait(3)

    entry.refresh_from_db()
    assert entry.state == OrderState.FILLED
    assert len([call for call in posts(desk) if call.path.endswith("/v1/order")]) == 1
    assert Position.objects.open().get().unprotected_since is None
    assert desk.balanced() == []


@pytest.mark.requirement("LED-06")
def test_empty_lists_where_rows_were_close_and_cancel_nothing(desk):
    desk.trade(desk.draft())
    desk.round()
    sent, stop = len(posts(desk)), desk.stop().pk
    for path in ("positionRisk", "openOrders", "openAlgoOrders", "userTrades", "income"):
        desk.fake.faults.add("body", path, method="GET", times=None, body="[]")
    for _ in range(6):
        desk.wait(25)
    assert "position in BTC" in desk.account.trouble
    assert (len(posts(desk)), desk.stop().pk) == (sent, stop)

    desk.fake.faults.clear()
    for _ in range(5):
        desk.wait(31)
    assert desk.account.trouble == ""
    assert desk.balanced() == []


def test_a_balance_that_is_too_small_refuses_the_entry_in_words_and_not_the_exit(desk):
    desk.trade(desk.draft())
    desk.customer.move("TRANSFER", -desk.customer.available() + 1)
    add = desk.trade(desk.draft(Kind.ADD, "0.05"))
    assert (add.state, "Margin is insufficient" in add.reason) == (OrderState.REFUSED, True)

    desk.trade(desk.draft(Kind.CLOSE, "0.1"))
    desk.wait(5, rounds=2)
    assert desk.customer.position(BTC).quantity == 0
    assert desk.balanced() == []


def test_a_key_that_is_revoked_in_flight_halts_in_words_and_goes_on_where_it_was(desk):
    desk.trade(desk.draft())
    desk.customer.revoked = True
    Position.objects.update(expires_at=desk.now - timedelta(seconds=1))
    for _ in range(3):
        desk.wait(20)
    assert desk.account.trouble.startswith("The exchange refuses the key: ")
    assert {"key", "not_reconciled"} <= set(desk.alerts())
    assert Order.objects.filter(role="stop", state=OrderState.OPEN).count() == 1
    assert [a.type for a in desk.customer.live_algos()].count("STOP_MARKET") == 1

    desk.customer.revoked = False
    for _ in range(4):
        desk.wait(65)
    assert desk.customer.position(BTC).quantity == 0
    assert desk.account.trouble == ""
    assert desk.balanced() == []


@pytest.mark.requirement("LED-06")
def test_one_odd_order_of_somebody_else_blinds_nobody(desk):
    number = desk.customer.number()
    odd = trading.Conditional(
        number, "web_trail", BTC, "SELL", "TRAILING_STOP_MARKET", Decimal("0.1"), Decimal(40000), "CONTRACT_PRICE",
        True, False, desk.fake.world.now(), desk.fake.world.now(),
    )  # fmt: skip
    desk.trade(desk.draft())
    desk.customer.algos[number] = odd
    desk.wait(70)
    assert desk.account.trouble == ""
    assert desk.stop() is not None
