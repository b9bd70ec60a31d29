"""A view of an instrument whose quote is made when somebody reads it: most deciders that hold never do."""

from collections.abc import Callable, Mapping
from datetime import datetime

from markets.domain.instruments import InstrumentRules
from markets.domain.snapshot import InstrumentView, QuoteView, Series


class LazyView(InstrumentView):
    """`quote_of` is called at the first look at `quote`; it must give the quote of this view's moment."""

    __slots__ = ("_made", "_quote_of")
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
    ) -> None:
        self.rules = rules  # type: ignore[misc]
        self.series = series  # type: ignore[misc]
        self.now = now  # type: ignore[misc]
        self._quote_of = quote_of
        self._made = None

    @property
    def quote(self) -> QuoteView:
        made = self._made
        if made is None:
            made = self._made = self._quote_of(self.rules.symbol)
        return made
