"""What the database itself refuses, whoever writes."""

import pytest
from django.db import IntegrityError, transaction

from bots.models import Cycle, CycleStatus
from bots.models.cycles import TERMINAL
from bots.tests import rows
from ledger.tests.builders import NOW

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("status", CycleStatus)
def test_a_cycle_has_an_end_exactly_where_its_status_is_one(status):
    ended = status in TERMINAL
    made = Cycle.objects.filter(pk=rows.cycle(status=status, ended_at=NOW if ended else None).pk)

    for change in (
        {"ended_at": None if ended else NOW},
        {"status": CycleStatus.RUNNING if ended else CycleStatus.DONE},
    ):
        with pytest.raises(IntegrityError, match="by_status"), transaction.atomic():
            made.update(**change)
    assert made.pending().exists() == (not ended)
