#!/usr/bin/env python
"""Django's commands and our own; impossible settings end here as a plain list, not as a traceback."""

import os
import sys

SETTINGS = "tradingsite.settings"


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)
    try:
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError:
        sys.exit("Django is not installed here. Run `make setup`, then use .venv/bin/python manage.py.")
    from tradingsite.problems import ImpossibleSettings

    try:
        execute_from_command_line(sys.argv)
    except ImpossibleSettings as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
