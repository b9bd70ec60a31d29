"""`python -m markets.tests.fake_exchange --port 8100`: the fake exchange as a process of its own."""

import argparse
import os
import sys


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve fake exchanges on 127.0.0.1 until interrupted.")
    parser.add_argument("--port", type=int, default=8100, help="port on 127.0.0.1 (default %(default)s; 0 takes any)")
    parser.add_argument("--seed", type=int, default=7, help="seed of the prices (default %(default)s)")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.test_settings")

    from .server import FakeExchange

    fake = FakeExchange(seed=options.seed, port=options.port)
    fake.open()
    for name, value in fake.environment().items():
        sys.stdout.write(f"{name}={value}\n")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    fake.run()


main()
