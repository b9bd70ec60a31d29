"""A view of an instrument whose quote is made when somebody reads it: most deciders that hold never do."""

from collections.abc import Callable, Mapping
from datetime import datetime

from markets.domain.instruments import InstrumentRules
from markets.domain.snapshot import InstrumentView, QuoteView, Series


class LazyView(InstrumentView):
    """`quote_of` is called at the first look at `quote`; it must give the quote of this view's moment.

    `time` is `now` in UTC ms.
    """

    __slots__ = ("_made", "_quote_of", "_time")
    _time: int
    _made: QuoteView | None
    _quote_of: Callable[[str], QuoteView]
    # It is frozen for its readers; the detour of frozen classes would take most of the time that making one takes.
    __setattr__ = object.__setattr__

    def __init__(
        self,
        rules: InstrumentRules,
        quote_of: Callable[[str], QuoteView],
        series: Mapping[str, Series],
        now: datetime,
        time: int,
    ) -> None:
        self.rules = rules  # type: ignore[misc]
        self.series = series  # type: ignore[misc]
        self.now = now  # type: ignore[misc]
        self._quote_of, self._time = quote_of, time
        self._made = None

    def _closed(self, series: Series) -> int:
        return series.closed_by(self._time)

    @property
    def quote(self) -> QuoteView:
        made = self._made
        if made is None:
            made = self._made = self._quote_of(self.rules.symbol)
        return made
