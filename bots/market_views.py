"""The pages of markets: the list, and one instrument with its chart. They read through `fragments`."""

from .views import page

markets = page("markets", "bots/markets.html")
market = page("market", "bots/market.html")
