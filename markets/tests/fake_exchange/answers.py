"""How a fake exchange writes an answer."""

import json
from typing import Any

from starlette.responses import Response


def as_json(value: Any, status: int = 200) -> Response:
    """An answer in JSON; Decimals and the like as text."""
    return Response(json.dumps(value, default=str), status, media_type="application/json")


def text(value: float) -> str:
    """A number as exchanges write it: no exponent, no trailing zeros."""
    return format(round(value, 10), ".10f").rstrip("0").rstrip(".") or "0"
