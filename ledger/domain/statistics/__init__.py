"""The statistics of a book: pure functions of its closed positions and of its daily equity.

Every definition is written down in docs/statistics.md. Money is summed exactly; ratios are floats, and None where
there is nothing to divide by.
"""

from .bootstrap import Interval, intervals
from .daily import Daily, DailyFigures, daily_figures, with_every_day
from .drawdowns import Fall, deepest_fall
from .positions import Closed, Columns, PositionFigures, position_figures

__all__ = [
    "Closed", "Columns", "Daily", "DailyFigures", "Fall", "Interval", "PositionFigures", "daily_figures",
    "deepest_fall", "intervals", "position_figures", "with_every_day",
]  # fmt: skip
