from decimal import Decimal as D
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bots.domain.ladder import LABEL_GAP, MARGIN, ladder, spread

LONG = {"mark": D(101), "entry": D(100), "stop": D(98), "target": D(106), "liquidation": D(66)}
prices = st.decimals("0.0001", 1_000_000, places=4)
maybe = st.none() | prices


def test_rungs_stand_at_their_true_distances():
    rungs = {rung.name: rung for rung in ladder(**LONG)}
    assert list(rungs) == ["liquidation", "stop", "entry", "mark", "target"]
    assert rungs["liquidation"].at == MARGIN
    assert rungs["target"].at == 100 - MARGIN
    assert rungs["stop"].at == MARGIN + (100 - 2 * MARGIN) * 32 / 40
    assert rungs["stop"].distance == D(98) / D(101) - 1


def test_what_is_so_stands_above_and_what_may_come_below():
    assert [rung.name for rung in ladder(**LONG) if rung.above] == ["entry", "mark"]


def test_a_position_without_a_plan_has_entry_and_mark():
    rungs = ladder(mark=D(5), entry=D(5), stop=None, target=None, liquidation=None)
    assert {rung.name for rung in rungs} == {"entry", "mark"}


@given(prices, prices, maybe, maybe, maybe)
def test_every_rung_is_on_the_line_and_in_order(mark, entry, stop, target, liquidation):
    rungs = ladder(mark=mark, entry=entry, stop=stop, target=target, liquidation=liquidation)
    assert all(MARGIN - 1e-9 <= rung.at <= 100 - MARGIN + 1e-9 for rung in rungs)
    assert [rung.price for rung in rungs] == sorted(rung.price for rung in rungs)
    for side in (True, False):
        labels = [rung.label for rung in rungs if rung.above is side]
        assert all(b - a >= LABEL_GAP - 1e-9 for a, b in pairwise(labels))


@given(st.lists(st.floats(0, 100), max_size=4).map(sorted))
def test_labels_are_moved_apart_and_stay_inside(places):
    moved = spread(places, 20.0)
    assert all(b - a >= 20 - 1e-9 for a, b in pairwise(moved))
    assert all(10 - 1e-9 <= place <= 90 + 1e-9 for place in moved)


def test_labels_with_room_stay_where_they_are():
    assert spread([20.0, 60.0], 10.0) == [20.0, 60.0]
