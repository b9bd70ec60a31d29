"""Owners, accounts, orders, trades, positions and cash. This app knows what is owned and owed; it knows no decision."""
