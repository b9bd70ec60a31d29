"""A view of an instrument whose quote is made when somebody reads it: most deciders that hold never do."""

from collections.abc import Callable, Mapping
from datetime import datetime

from markets.domain.instruments import InstrumentRules
from markets.domain.snapshot import InstrumentView, QuoteView, Series


class LazyView(InstrumentView):
    """`quote_of` is called at the first look at `quote`; it must give the quote of this view's moment."""

    __slots__ = ("_made", "_quote_of")
    _made: QuoteView | None
    _quote_of: Callable[[], QuoteView]

    def __init__(
        self,
        rules: InstrumentRules,
        quote_of: Callable[[], QuoteView],
        series: Mapping[str, Series],
        now: datetime,
    ) -> None:
        for name, value in (
            ("rules", rules),
            ("series", series),
            ("now", now),
            ("_quote_of", quote_of),
            ("_made", None),
        ):
            object.__setattr__(self, name, value)

    @property
    def quote(self) -> QuoteView:
        made = self._made
        if made is None:
            made = self._quote_of()
            object.__setattr__(self, "_made", made)
        return made
