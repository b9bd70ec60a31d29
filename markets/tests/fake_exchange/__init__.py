"""A server that speaks like the exchanges: what tests, the fault lab and a person without a network trade against."""

from .faults import Fault
from .server import FakeExchange
from .world import Listed, World

__all__ = ["FakeExchange", "Fault", "Listed", "World"]
