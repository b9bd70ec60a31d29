"""House strategies in plain code: deciders without a model, and the baselines that every bot is compared with."""

from .breakout import Breakout
from .buy_and_hold import BuyAndHold
from .coin_flip import CoinFlip
from .equal_weight import EqualWeight
from .mean_reversion import MeanReversion
from .random_like import RandomLike
from .sma_cross import SmaCross
from .trend import Trend

_ALL = (Trend, MeanReversion, Breakout, BuyAndHold, EqualWeight, CoinFlip, RandomLike, SmaCross)
STRATEGIES = {strategy.name: strategy for strategy in _ALL}
# Whoever is not better than these has shown nothing.
BASELINES = frozenset(one.name for one in (BuyAndHold, EqualWeight, CoinFlip, RandomLike))

__all__ = [
    "BASELINES", "STRATEGIES", "Breakout", "BuyAndHold", "CoinFlip", "EqualWeight", "MeanReversion", "RandomLike",
    "SmaCross", "Trend",
]  # fmt: skip
