"""The fault laboratory: runs the real processes on servers of its own, breaks them on purpose, and counts losses.

Nothing here is part of the product, and the product imports none of it.
"""
