"""Live markets: prices, candles, rules and funding of one exchange, as they happen, into the tables everybody reads."""
