"""Health checks of containers: `python -m tradingsite.alive web`, the name of a heartbeat such as `guardian`, or
`stream:binanceusdm` for whoever brings the prices of an exchange.

It asks one question without loading the product, so it may be run every few seconds. It needs the variables of the
process it asks about; heartbeats live in PostgreSQL. Exit code 0 means alive, 1 silent.
"""

import os
import sys
import urllib.error
import urllib.request

import psycopg

PATIENCE_SECONDS = 60.0
NEWEST = "SELECT extract(epoch FROM now() - at) FROM ledger_heartbeat WHERE name = %s"
# A second process stands by while the first one leads: the exchange is served as long as somebody holds its lease.
LEASE = "SELECT extract(epoch FROM now() - lease_until) FROM markets_exchangestate WHERE exchange = %s"


def page(port: str = "8000") -> str:
    """What is wrong with the web process of this machine; nothing where it answers."""
    # A site answers to its own names only.
    host = os.environ.get("ALLOWED_HOSTS", "localhost").split(",")[0].strip().lstrip(".")
    request = urllib.request.Request(f"http://127.0.0.1:{port}/health", headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=5):
            return ""
    except (urllib.error.URLError, TimeoutError) as error:
        return f"/health does not answer: {error}"


def heartbeat(name: str) -> str:
    """What is wrong with the sign of life of a part; nothing where it is fresh."""
    kind, _, exchange = name.partition(":")
    query, subject = (LEASE, exchange) if kind == "stream" else (NEWEST, name)
    try:
        with psycopg.connect(os.environ.get("DATABASE_URL", ""), connect_timeout=5) as connection:
            row = connection.execute(query, [subject]).fetchone()
    except psycopg.Error as error:
        return f"The database does not answer: {type(error).__name__}"
    if row is None or row[0] is None:
        return f"{name} has never given a sign of life."
    return "" if row[0] < PATIENCE_SECONDS else f"{name} gave its last sign of life {row[0]:.0f} s ago."


def main(arguments: list[str]) -> int:
    name, *more = arguments or ["web"]
    wrong = page(*more) if name == "web" else heartbeat(name)
    if wrong:
        sys.stderr.write(f"{wrong}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
