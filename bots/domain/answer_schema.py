"""The JSON schema of an answer, which providers enforce. How its fields are read is in `answer_fields`."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from markets.domain.indicators import INDICATORS

from .answer_fields import Action
from .exit_plan import CLOSES, LEVELS, Condition


def _or_null(shape: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [shape, {"type": "null"}]})


_NUMBER: dict[str, Any] = {"type": "number"}
_FRACTION: dict[str, Any] = {"type": "number", "minimum": 0, "maximum": 1}
_WHOLE: dict[str, Any] = {"type": "integer", "minimum": 1}


def _variant(kind: str, **fields: dict[str, Any]) -> dict[str, Any]:
    properties = {"kind": {"type": "string", "enum": [kind]}, "timeframe": {"type": "string"}, **fields}
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }


_INDICATOR = {"type": "string", "enum": [*INDICATORS]}
_CONDITION: dict[str, Any] = {
    "anyOf": [
        *(_variant(kind, price=_NUMBER) for kind in CLOSES),
        *(_variant(kind, indicator=_INDICATOR, value=_NUMBER) for kind in LEVELS),
        {"type": "null"},
    ]
}

_Fraction = Annotated[Decimal | None, _or_null(_FRACTION)]
_Price = Annotated[Decimal | None, _or_null(_NUMBER)]
_Whole = Annotated[int | None, _or_null(_WHOLE)]
_Condition = Annotated[Condition | None, WithJsonSchema(_CONDITION)]


class Item(BaseModel):
    """One instrument of the answer, as providers are told of it; `read_fields` reads what they wrote."""

    model_config = ConfigDict(extra="ignore")

    symbol: str = Field(description="The instrument, exactly as it was given. At most one item for each.")
    action: Action
    conviction: _Fraction = Field(None, description="0 to 1; needed for entries.")
    risk_share: _Fraction = Field(None, description="Share of the risk budget an entry asks for, 0 to 1; null: all.")
    leverage: _Whole = Field(None, description="Null: the least that is needed.")
    limit: _Price = Field(None, description="Limit price of an entry; null: at the market.")
    stop: _Price = Field(None, description="Stop price; needed to open, may be kept (null) by add and adjust_exits.")
    target: _Price = Field(None, description="Price at which to take profit.")
    trail: _Fraction = Field(None, description="Distance of a trailing stop as a fraction of the price, such as 0.02.")
    minutes: _Whole = Field(None, description="Close after so many minutes.")
    invalidation: _Condition = Field(None, description="Close when this holds at a closed candle.")
    reduce_share: _Fraction = Field(None, description="For reduce: share of the position to close, above 0 to 1.")
    reason: str = Field("", description="One or two sentences with the numbers that decided.")


def schema(symbols: Sequence[str] = ()) -> dict[str, Any]:
    """The JSON schema of an answer, in the strict form that providers enforce: every field named, none added.

    With `symbols` the instrument is one of them.
    """
    item = Item.model_json_schema()
    properties = {name: _plain(shape) for name, shape in item["properties"].items()}
    properties["action"] = {"type": "string", "enum": [*Action]}
    if symbols:
        properties["symbol"]["enum"] = [*symbols]
    one = {
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }
    summary = {"type": "string", "description": "One sentence on the market and what is done."}
    whole_answer = {"summary": summary, "items": {"type": "array", "items": one}}
    return {
        "type": "object",
        "properties": whole_answer,
        "required": [*whole_answer],
        "additionalProperties": False,
    }


def _plain(shape: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shape.items() if name not in ("title", "default")}
