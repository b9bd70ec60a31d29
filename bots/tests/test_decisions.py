"""Answers: good items stand, bad ones are refused in words, and no junk raises."""

from decimal import Decimal

import jsonschema
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bots.domain.answer_schema import schema
from bots.domain.decisions import Action, Answer, Proposal, RefusedItem, parse
from bots.domain.exit_plan import CloseBelow
from bots.tests.builders import BTC, ETH

KNOWN = (BTC, ETH)
GOOD = {
    "symbol": BTC, "action": "open_long", "conviction": 0.7, "risk_share": 0.5, "leverage": 3, "limit": None,
    "stop": 95, "target": 110.5, "trail": 0.02, "minutes": 90,
    "invalidation": {"kind": "close_below", "timeframe": "15m", "price": 97},
    "reduce_share": None, "reason": "Up.",
}  # fmt: skip


def read(*items, **answer) -> Answer:
    return parse({"summary": "All is well.", "items": list(items)} | answer, known=KNOWN, timeframes=("1m", "15m"))


def refusal(**changes):
    answer = read(GOOD | changes)
    assert not answer.items
    return answer.refused[0].refusal


@pytest.mark.requirement("BOT-04")
def test_a_good_item_becomes_a_proposal():
    answer = read(GOOD)

    assert answer.summary == "All is well."
    assert not answer.refused
    assert answer.items == (
        Proposal(
            symbol=BTC, action=Action.OPEN_LONG, conviction=Decimal("0.7"), risk_share=Decimal("0.5"), leverage=3,
            stop=Decimal(95), target=Decimal("110.5"), trail=Decimal("0.02"), minutes=90,
            invalidation=CloseBelow("15m", Decimal(97)), reason="Up.",
        ),
    )  # fmt: skip


@pytest.mark.parametrize("value", [95.1, "95.1", Decimal("95.1"), " 95.1 ", np.float64(95.1)])
def test_numbers_come_as_number_or_text(value):
    assert read(GOOD | {"stop": value}).items[0].stop == Decimal("95.1")


def test_a_float_is_read_by_its_shortest_form():
    assert read(GOOD | {"stop": 0.1}).items[0].stop == Decimal("0.1")


def test_the_risk_share_is_whole_unless_asked_otherwise():
    assert read({k: v for k, v in GOOD.items() if k != "risk_share"}).items[0].risk_share == 1


def test_no_field_sets_a_quantity():
    assert read(GOOD | {"quantity": 5, "size_usd": 1e6}).items == read(GOOD).items


def test_a_bad_item_does_not_void_the_good_ones():
    answer = read(GOOD | {"stop": "soon"}, {"symbol": ETH, "action": "hold"})

    assert [item.symbol for item in answer.items] == [ETH]
    assert [item.symbol for item in answer.refused] == [BTC]


@pytest.mark.requirement("RSK-07")
@pytest.mark.parametrize(
    ("field", "value", "code", "text"),
    [
        ("stop", "soon", "bad_number", "stop must be a number, not 'soon'."),
        ("stop", "95,000", "bad_number", "stop must be a number, not '95,000'."),
        ("stop", True, "bad_number", "stop must be a number, not true."),
        ("stop", [95], "bad_number", "stop must be a number, not a list."),
        ("stop", float("nan"), "bad_number", "stop must be a finite number, not nan."),
        ("stop", "Infinity", "bad_number", "stop must be a finite number, not 'Infinity'."),
        ("stop", "sNaN", "bad_number", "stop must be a finite number, not 'sNaN'."),
        ("stop", -5, "out_of_range", "stop must be a price above 0, not -5."),
        ("target", 0, "out_of_range", "target must be a price above 0, not 0."),
        ("target", 10**400, "out_of_range", "target a number of too many digits is too large to be meant."),
        ("target", "1e300", "out_of_range", "target '1e300' is too large to be meant."),
        ("limit", "1e-300", "out_of_range", "limit must be a price above 0, not '1e-300'."),
        ("conviction", 70, "out_of_range", "conviction must be at least 0 and at most 1, not 70."),
        ("conviction", -0.1, "out_of_range", "conviction must be at least 0 and at most 1, not -0.1."),
        ("conviction", None, "missing_field", "conviction is missing for open_long."),
        ("risk_share", 1.5, "out_of_range", "risk_share must be at least 0 and at most 1, not 1.5."),
        ("trail", 1, "out_of_range", "trail must be above 0 and below 1, not 1."),
        ("leverage", 2.5, "out_of_range", "leverage must be a whole number from 1 to 1000, not 2.5."),
        ("leverage", 0, "out_of_range", "leverage must be a whole number from 1 to 1000, not 0."),
        ("minutes", -1, "out_of_range", "minutes must be a whole number from 1 to 525600, not -1."),
        ("invalidation", "reclaim of 97", "bad_condition", "invalidation must be an object with a kind, "),
        ("symbol", "DOGE", "unknown_symbol", "symbol 'DOGE' is not one of this bot's instruments."),
        ("symbol", None, "unknown_symbol", "symbol null is not one of this bot's instruments."),
        ("action", "yolo", "unknown_action", "action must be one of open_long, open_short, add, reduce, "),
        ("action", None, "unknown_action", "not null."),
        ("action", "reduce", "missing_field", "reduce_share is missing for reduce."),
    ],
)
def test_a_refusal_names_field_and_value(field, value, code, text):
    found = refusal(**{field: value})

    assert found.code == code
    assert text in found.text


def test_a_number_too_long_to_be_written_out_is_refused():
    assert refusal(stop=10**5000).code == "out_of_range"


def test_an_adjustment_must_name_something():
    assert read({"symbol": BTC, "action": "adjust_exits"}).refused[0].refusal.code == "missing_field"


def test_two_items_for_one_symbol_are_both_refused_even_if_one_is_unreadable():
    for second in ({"symbol": BTC, "action": "hold"}, {"symbol": BTC, "action": "yolo"}, GOOD):
        answer = read(GOOD, second, {"symbol": ETH, "action": "hold"})

        assert [item.symbol for item in answer.items] == [ETH]
        assert [item.refusal.code for item in answer.refused] == ["contradictory", "contradictory"]


def test_junk_in_a_field_that_an_exit_does_not_use_cannot_stop_the_exit():
    answer = read({"symbol": BTC, "action": "close", "stop": 0, "target": "-", "conviction": 900, "leverage": 0})

    assert answer.items == (Proposal(symbol=BTC, action=Action.CLOSE),)


def test_an_exit_keeps_a_readable_conviction_for_the_record():
    assert read({"symbol": BTC, "action": "close", "conviction": "0.8"}).items[0].conviction == Decimal("0.8")


def test_texts_are_cleaned_and_cut():
    item = read(GOOD | {"reason": "a\x00b\ud800" + "x" * 9999}, summary="y" * 9999)

    assert item.items[0].reason.startswith("a b")
    assert len(item.items[0].reason) == 300
    assert len(item.summary) == 1000
    item.items[0].reason.encode()


def test_fractions_are_never_rounded_up():
    assert read(GOOD | {"conviction": 0.29999999}).items[0].conviction == Decimal("0.299999")


@pytest.mark.parametrize("raw", [None, [], "hold", 5, {"items": {}}, {"items": "none"}])
def test_an_answer_that_is_none_is_refused_as_a_whole(raw):
    answer = parse(raw, known=KNOWN)

    assert not answer.items
    assert [item.refusal.code for item in answer.refused] == ["bad_answer"]


def test_an_empty_answer_is_an_answer():
    assert parse({}, known=KNOWN) == Answer()


def test_more_items_than_anybody_needs_are_not_read():
    answer = read(*({"symbol": f"X{n}", "action": "hold"} for n in range(500)))

    assert answer.refused[-1].refusal.code == "too_many_items"
    assert len(answer.refused) == 101


def test_braces_in_a_value_are_only_text():
    assert "'{0} {sentence}'" in refusal(stop="{0} {sentence}").text


def test_the_schema_takes_a_good_answer_and_is_strict():
    shape = schema(KNOWN)
    answer = {"summary": "All is well.", "items": [GOOD]}

    jsonschema.Draft202012Validator.check_schema(shape)
    jsonschema.validate(answer, shape)
    for broken in ({"symbol": "DOGE"}, {"action": "yolo"}, {"quantity": 1}, {"conviction": 2}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"summary": "", "items": [GOOD | broken]}, shape)


def test_every_object_of_the_schema_names_all_its_fields():
    def objects(shape):
        if isinstance(shape, dict):
            if shape.get("type") == "object":
                yield shape
            for part in shape.values():
                yield from objects(part)
        elif isinstance(shape, list):
            for part in shape:
                yield from objects(part)

    found = list(objects(schema()))
    assert len(found) == 6
    assert all(one["required"] == list(one["properties"]) and one["additionalProperties"] is False for one in found)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30), st.sampled_from(KNOWN),
    st.sampled_from([*Action]), st.decimals(), st.just(10**4000), st.just("9" * 5000), st.just("1e999999999"),
)  # fmt: skip
JUNK = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
)
ITEMS = st.fixed_dictionaries(
    {}, optional={field: JUNK | st.just(value) for field, value in GOOD.items()}
)  # fmt: skip


@settings(max_examples=400)
@example(raw={"items": [{"symbol": "BTC/USDT:USDT", "action": "open_long", "conviction": "1e999999999"}]})
@given(raw=JUNK | st.fixed_dictionaries({"items": st.lists(ITEMS | JUNK, max_size=5), "summary": JUNK}))
@pytest.mark.requirement("BOT-04")
@pytest.mark.requirement("SEC-04")
def test_whatever_is_given_nothing_raises_and_nothing_unknown_comes_out(raw):
    answer = parse(raw, known=KNOWN, timeframes=("1m",))

    assert len({item.symbol for item in answer.items}) == len(answer.items)
    for item in answer.items:
        assert item.symbol in KNOWN
        assert isinstance(item.action, Action)
        assert not item.action.enters or item.conviction is not None
        for share in (item.conviction, item.risk_share, item.reduce_share):
            assert share is None or 0 <= share <= 1
        for price in (item.limit, item.stop, item.target):
            assert price is None or 0 < price <= 10**12
            assert price is None or -price.as_tuple().exponent <= 18
    for item in answer.refused:
        assert isinstance(item, RefusedItem)
        assert item.refusal.code
        assert len(item.refusal.text) < 600
        (item.refusal.text + item.symbol + item.reason + answer.summary).encode()


@pytest.mark.requirement("BOT-04")
@pytest.mark.parametrize("value", ["1e999999999", "-1e999999999", "1e-999999999", "9e999999", 10**400])
@pytest.mark.parametrize("field", ["minutes", "stop", "conviction", "leverage", "trail"])
def test_numbers_beyond_every_scale_are_refused_and_never_raise(field, value):
    answer = parse({"items": [{**GOOD, field: value}]}, known={GOOD["symbol"]})
    assert len(answer.items) + len(answer.refused) == 1
