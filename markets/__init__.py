"""Prices and venues. This app knows instruments, candles, feeds and exchanges; it knows no owner and nobody's money."""
