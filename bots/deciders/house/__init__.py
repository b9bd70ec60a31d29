"""House strategies in plain code: deciders without a model, and the baselines that every bot is compared with."""

from .buy_and_hold import BuyAndHold
from .coin_flip import CoinFlip
from .mean_reversion import MeanReversion
from .sma_cross import SmaCross
from .trend import Trend

STRATEGIES = {strategy.name: strategy for strategy in (Trend, MeanReversion, BuyAndHold, CoinFlip, SmaCross)}

__all__ = ["STRATEGIES", "BuyAndHold", "CoinFlip", "MeanReversion", "SmaCross", "Trend"]
