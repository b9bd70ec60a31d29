"""When a decider might act: what lets a backtest pass over the moments at which it would certainly hold.

A decider that can tell offers `foresee`; one that cannot is asked at every slot. A mask may be true too often, which
costs time, and must never be false where the decider would do anything but hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from markets.domain.candles import Candles, Floats

from .policy import Policy

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Foresight:
    """For one instrument, at each closed candle of `timeframe`: whether the decider might act.

    `flat` while it holds nothing there, `long` and `short` while it holds that.
    """

    timeframe: str
    flat: Mask
    long: Mask
    short: Mask


class Past(Protocol):
    """One instrument's whole series, for a decider to find its moments in.

    It holds what the decider must not know when it decides; it decides on a snapshot of that moment all the same.
    """

    def candles(self, timeframe: str) -> Candles: ...

    def indicator(self, timeframe: str, name: str) -> Floats:
        """The indicator at each candle, exactly as it reads when that candle closes; NaN before its warm-up."""
        ...

    def rough(self, timeframe: str, name: str) -> Floats:
        """The same in one pass over the whole series: much faster, and good for a mask with some room.

        Only for indicators that look back a fixed number of candles; it runs across holes.
        """
        ...


@runtime_checkable
class Foreseeing(Protocol):
    """A decider that can tell when it might act."""

    def foresee(self, past: Mapping[str, Past], timeframes: tuple[str, ...], policy: Policy) -> Mapping[str, Foresight]:
        """The foresight for each symbol. It must not depend on anything but what `decide` reads."""
        ...
