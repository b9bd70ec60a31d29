"""What the whole suite shares."""

import os
from decimal import localcontext
from pathlib import Path

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failed run: it would be evidence that nobody looked at."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") != "true" or reporter is None:
        return
    skipped = reporter.stats.get("skipped", [])
    if skipped and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if os.environ.get("CI") == "true" and skipped:
        terminalreporter.section("skipped tests fail a run in CI", red=True)
        for report in skipped:
            terminalreporter.line(report.nodeid)


@pytest.fixture(autouse=True)
def forgetful():
    """Windows and feeds are kept per process, and a test that is rolled back gives their keys away again."""
    yield
    from markets import history
    from markets.feeds import registry

    history.forget()
    registry.forget()


@pytest.fixture(autouse=True)
def own_decimals():
    """ccxt changes how its thread rounds. The product's clients keep that apart; some tests use ccxt's own."""
    with localcontext():
        yield


@pytest.fixture
def market_data() -> Path:
    """The folder of real candles and funding rates; skips where there is none."""
    folder = (Path(__file__).parent / os.environ.get("MARKET_DATA", "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip("There is no market data here; MARKET_DATA names its folder.")
    return folder


@pytest.fixture
def alice(db):
    """The owner in every story."""
    from ledger.tests import builders

    return builders.user("alice")


@pytest.fixture
def bob(db):
    """The intruder in every story."""
    from ledger.tests import builders

    return builders.user("bob")


@pytest.fixture
def root(client, alice):
    """The admin as Alice sees it, who may do everything."""
    alice.is_staff = alice.is_superuser = True
    alice.save()
    client.force_login(alice)
    return client


@pytest.fixture
def staff(client, bob):
    """Bob may do everything in the control room that permissions can give, and is no superuser."""
    from django.contrib.auth.models import Permission

    bob.is_staff = True
    bob.save()
    bob.user_permissions.set(Permission.objects.all())
    client.force_login(bob)
    return client


CHROMIUM = "/usr/bin/chromium"
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
def browser(monkeypatch):
    """A context of Debian's Chromium under Playwright; skips where it is not installed."""
    if not os.path.exists(CHROMIUM):
        pytest.skip("Chromium is not installed (Debian: apt install chromium).")
    from playwright.sync_api import sync_playwright

    # Playwright keeps a loop running in this thread, which Django would take for an asynchronous caller.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_FLAGS))
        yield launched.new_context()
        launched.close()
