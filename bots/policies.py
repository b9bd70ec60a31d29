"""The only writer of risk policies: judged for sense, versioned with each change, and told to the audit trail.

It also asks what a policy would have said to the entries of late. It decides no order.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from django.db import transaction

from ledger import audit
from ledger.models import AuditKind, User

from .domain.policy import LIMITS, PRESETS, Policy
from .domain.soundness import objections
from .domain.what_if import Told, told
from .models import Bot, Decision, DecisionItem, RiskPolicy

LAST = 200
ENTRIES = ("open_long", "open_short", "add")


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a change was not made: one sentence for each limit, or under `version` that somebody was faster."""

    why: Mapping[str, str]


def preset(name: str) -> dict[str, Any]:
    """The limits of a preset by name. Raises KeyError for an unknown one."""
    return {limit: value for limit, value in asdict(PRESETS[name]).items() if limit in LIMITS}


def limits_of(policy: RiskPolicy) -> dict[str, Any]:
    """The limits of a stored policy by name."""
    return {name: getattr(policy, name) for name in LIMITS}


def change(*, policy: RiskPolicy, limits: Mapping[str, Any], by: User, seen: int | None = None) -> Refused | None:
    """Give a stored policy other limits, as its next version. `seen` is the version that was looked at.

    Nothing is written where nothing changes, where a limit makes no sense, or where `seen` is not the version there is.
    """
    with transaction.atomic():
        row = RiskPolicy.objects.select_for_update().get(pk=policy.pk)
        if seen is not None and seen != row.version:
            return Refused({"version": f"Somebody changed this policy meanwhile; look at version {row.version}."})
        wanted = replace(row.limits, **limits)
        if found := objections(wanted):
            return Refused(found)
        differing = audit.differences(asdict(row.limits), asdict(wanted))
        if differing:
            for name in differing:
                setattr(row, name, getattr(wanted, name))
            row.version += 1
            row.save()
            note(row, differing, by)
    policy.refresh_from_db()
    return None


def create(*, owner: User, name: str, limits: Mapping[str, Any], by: User) -> RiskPolicy | Refused:
    """A new policy: balanced, but for what is given."""
    wanted = replace(PRESETS["balanced"], name=name, **limits)
    if found := objections(wanted):
        return Refused(found)
    if RiskPolicy.objects.of(owner).filter(name=name).exists():
        return Refused({"name": f"You have a policy named «{name}» already."})
    with transaction.atomic():
        row = RiskPolicy.objects.create(owner=owner, name=name, **{one: getattr(wanted, one) for one in LIMITS})
        note(row, audit.differences({}, asdict(row.limits)), by)
    return row


def note(policy: RiskPolicy, change: Mapping[str, Any], by: User) -> None:
    """Tell the audit trail of a change; the caller holds the transaction."""
    told = {**change, "version": policy.version}
    audit.write(kind=AuditKind.LIMITS, subject=f"riskpolicy:{policy.pk} {policy.name}", change=told, by=by)


def what_if(*, bots: Iterable[Bot], policy: Policy) -> list[tuple[DecisionItem, Told]]:
    """What `policy` would have said to the last 200 entries that these bots asked for, newest first."""
    newest: list[DecisionItem] = []
    for bot in bots:
        spoke = Decision.objects.filter(bot=bot).spoke().order_by("-id").values_list("id", flat=True)[:LAST]
        items = DecisionItem.objects.filter(decision__in=list(spoke), action__in=ENTRIES)
        newest += items.select_related("decision", "instrument").order_by("-id")[:LAST]
    newest.sort(key=lambda item: -item.pk)
    return [(item, told(item.verdicts, policy)) for item in newest[:LAST] if item.verdicts]
