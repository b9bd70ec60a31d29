"""Apps of others as this site sets them up: their pages and servers are loaded late, and nothing of them is lost."""

import subprocess
import sys

from django.conf import settings
from django.core.management import get_commands


def test_pages_of_the_admin_are_loaded_with_the_addresses_and_where_they_are_checked():
    script = (
        "import django; django.setup()\n"
        "from django.contrib import admin\n"
        "from django.core import checks\n"
        "late = len(admin.site._registry)\n"
        "found = checks.run_checks(tags=['admin'])\n"
        "checked = len(admin.site._registry)\n"
        "import tradingsite.urls\n"
        "print(late, found, checked > 20, checked == len(admin.site._registry))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=settings.BASE_DIR)

    assert done.stdout.strip() == "0 [] True True", done.stderr


def test_checks_of_the_site_are_registered_and_tasks_are_bound_to_its_celery_app():
    script = (
        "import django; django.setup()\n"
        "from celery import current_app\n"
        "from django.core.checks.registry import registry\n"
        "own = [one.__name__ for one in registry.get_checks(True) if one.__module__ == 'tradingsite.checks']\n"
        "print(current_app.main, sorted(own))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=settings.BASE_DIR)

    assert done.stdout.strip() == ("tradingsite ['keys_are_private', 'live_trading', 'processes', 'production']"), (
        done.stderr
    )


def test_runserver_serves_sockets_too():
    assert get_commands()["runserver"] == "daphne"
