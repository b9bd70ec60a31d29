"""Backtests: stored candles traded by the pure code that trades live, as fast as the money allows."""
