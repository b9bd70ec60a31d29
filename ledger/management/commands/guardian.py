"""`manage.py guardian`: the guardian as a process of its own. It needs the database and the venues, nothing else."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from ledger import guardian_watch


class Command(BaseCommand):
    help = (
        "Look after every running live feed until SIGTERM or SIGINT: stops placed, plans enforced, flatten requests "
        "carried out. It only reduces risk, and works without broker, workers and pages."
    )

    def handle(self, **options: Any) -> None:
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        self.stderr.write("The guardian is at work.")
        guardian_watch.run(ended)
        self.stderr.write("The guardian has ended its round and stops.")
