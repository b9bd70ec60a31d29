"""What a key may do, read from the exchange. A key that may withdraw is refused: nobody needs it for trading."""

from dataclasses import dataclass
from typing import Any

from markets.domain.orders import Refused

from . import live_calls


@dataclass(frozen=True, slots=True)
class Permissions:
    """None where the exchange does not tell; testnets and demo accounts do not."""

    trading: bool
    withdrawals: bool | None = None
    address_bound: bool | None = None

    @property
    def refusal(self) -> str:
        """Why the key cannot be taken, in one sentence; empty where it can."""
        if self.withdrawals:
            return "This key may withdraw money. Make one without that right; trading needs none."
        if not self.trading:
            return "This key may not trade futures. Allow it on the exchange's page for API keys."
        return ""

    @property
    def advice(self) -> str:
        """What would make it safer, in one sentence; empty where nothing is known to."""
        return "The key works from any address: bind it to this machine's." if self.address_bound is False else ""


def permissions(client: Any) -> Permissions:
    """Ask the exchange what the client's key may do. Raises KeyRefused where it is not taken, and Unanswered."""
    told = live_calls.read(client, client.fapiPrivateGetAccountConfig)
    trading = not isinstance(told, Refused) and told.get("canTrade") is True
    if "sapi" not in client.urls["api"]:
        return Permissions(trading)
    rights = live_calls.asked(client, client.sapiGetAccountApiRestrictions)
    return Permissions(
        trading=trading and rights.get("enableFutures") is True,
        withdrawals=rights.get("enableWithdrawals") is not False,
        address_bound=rights.get("ipRestrict") is True,
    )
