"""The site on top of markets, ledger and bots: it assembles them, and none of them imports it."""

__version__ = "0.1.0"
