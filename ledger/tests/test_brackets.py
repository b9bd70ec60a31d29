"""Which protective orders a position needs, given those that rest."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.brackets import Resting, Wanted, needed
from ledger.domain.trailing import trailed
from markets.domain.instruments import InstrumentRules, MarginTier

ONE, STOP, TARGET = Decimal(1), Decimal(95), Decimal(110)


def test_a_bare_position_gets_stop_and_target():
    brackets = needed(ONE, STOP, TARGET, [])

    assert brackets.place == (Wanted("stop", STOP, ONE), Wanted("target", TARGET, ONE))
    assert brackets.cancel == ()


def test_a_covered_position_needs_nothing():
    resting = [Resting(1, "stop", STOP, ONE), Resting(2, "target", TARGET, ONE)]

    assert needed(ONE, STOP, TARGET, resting) == needed(ONE, STOP, TARGET, resting[::-1])
    assert not needed(ONE, STOP, TARGET, resting).place


def test_a_moved_stop_is_placed_before_the_old_one_is_cancelled():
    brackets = needed(ONE, Decimal(97), None, [Resting(1, "stop", STOP, ONE)])

    assert brackets.place == (Wanted("stop", Decimal(97), ONE, replaces=1),)
    assert brackets.cancel == (1,)


def test_a_stop_of_the_wrong_size_is_replaced():
    brackets = needed(Decimal(2), STOP, None, [Resting(1, "stop", STOP, ONE)])

    assert brackets.place == (Wanted("stop", STOP, Decimal(2), replaces=1),)
    assert brackets.cancel == (1,)


def test_of_two_fitting_stops_one_goes():
    resting = [Resting(1, "stop", STOP, ONE), Resting(2, "stop", STOP, ONE)]

    assert needed(ONE, STOP, None, resting).cancel == (2,)


def test_a_target_that_left_the_plan_is_cancelled():
    assert needed(ONE, STOP, None, [Resting(1, "stop", STOP, ONE), Resting(2, "target", TARGET, ONE)]).cancel == (2,)


restings = st.lists(
    st.builds(
        Resting,
        st.integers(1, 9),
        st.sampled_from(["stop", "target"]),
        st.sampled_from([STOP, TARGET]),
        st.sampled_from([ONE, Decimal(2)]),
    ),
    max_size=5,
    unique_by=lambda order: order.id,
)


@given(restings)
def test_placing_then_cancelling_leaves_exactly_the_plan(resting):
    brackets = needed(ONE, STOP, TARGET, resting)

    kept = [(o.role, o.trigger, o.quantity) for o in resting if o.id not in brackets.cancel]
    after = kept + [(w.role, w.trigger, w.quantity) for w in brackets.place]
    assert sorted(after) == [("stop", STOP, ONE), ("target", TARGET, ONE)]


RULES = InstrumentRules(
    symbol="X/USDT:USDT", base="X", quote="USDT", settle="USDT", kind="perpetual", tick=Decimal("0.5"),
    step=ONE, min_quantity=ONE, min_notional=ONE, maker_fee=Decimal(0), taker_fee=Decimal(0),
    tiers=(MarginTier(Decimal(0), Decimal("0.005"), Decimal(0), 20),),
)  # fmt: skip


@given(st.booleans(), st.lists(st.integers(50, 150).map(Decimal), min_size=1, max_size=20))
def test_a_trailing_stop_only_tightens(long, marks):
    stop = Decimal(40) if long else Decimal(200)
    for mark in marks:
        moved = trailed(stop, mark, Decimal("0.05"), long, RULES)
        assert moved >= stop if long else moved <= stop
        assert moved % RULES.tick == 0
        stop = moved
