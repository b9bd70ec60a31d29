"""compose.yml starts what exists, within the limits of its database, and nothing of it is open to the outside."""

import re

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

from bots.cycle import DEADLINE

TEXT = (settings.BASE_DIR / "compose.yml").read_text()
SERVICES = yaml.safe_load(TEXT)["services"]
OURS = {name: service for name, service in SERVICES.items() if name not in ("postgres", "redis")}
QUEUES = {queue.name for queue in settings.CELERY_TASK_QUEUES}
CHILDREN = {"lab": 2}  # each has a pool of its own


def option(command, name):
    return command[command.index(name) + 1] if name in command else None


def seconds(text):
    return int(re.fullmatch(r"(\d+)s", text)[1])


@pytest.mark.requirement("OPS-05")
@pytest.mark.parametrize("name", OURS)
def test_each_command_exists(name):
    command = OURS[name]["command"]
    match [word for word in command if word != "-q"]:
        case ["python", "manage.py", subcommand, *_]:
            assert subcommand in get_commands()
        case ["celery", "-A", "tradingsite", "worker", *_]:
            assert option(command, "-Q") in QUEUES
            assert option(command, "-P") in (None, "prefork")
        case ["celery", "-A", "tradingsite", "beat"]:
            pass
        case ["daphne", *_, target]:
            assert target == settings.ASGI_APPLICATION.replace(".application", ":application")
        case _:
            pytest.fail(f"{name} starts something unknown: {command}")


def test_each_queue_has_its_worker_and_the_schedule_uses_them():
    served = {option(service["command"], "-Q") for service in OURS.values()} - {None}
    assert served == QUEUES
    assert {entry["options"]["queue"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= served


@pytest.mark.requirement("OPS-05")
def test_all_connections_together_stay_below_the_limit_of_the_database():
    limits = [word for word in SERVICES["postgres"]["command"] if word.startswith("max_connections=")]
    most = int(limits[0].partition("=")[2])
    pools = {name: int(one["environment"]["DATABASE_POOL"]) * CHILDREN.get(name, 1) for name, one in OURS.items()}
    assert int(option(OURS["lab"]["command"], "-c")) == CHILDREN["lab"]
    # A second worker of cycles, the three connections PostgreSQL reserves, and some for psql and backups.
    assert sum(pools.values()) + pools["cycles"] + 3 + 10 < most


@pytest.mark.requirement("OPS-05")
@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_closed_in(name):
    service = SERVICES[name]
    assert service["read_only"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service
    assert "inside" in service["networks"]
    assert all(volume.split(":")[0] in ("data", "database") for volume in service.get("volumes", []))
    if name in OURS:
        assert service["cap_drop"] == ["ALL"]
    if name in ("postgres", "redis"):
        assert service["networks"] == ["inside"]
        assert re.search(r":.*\d+\.\d+\.\d+", service["image"])


def test_only_web_is_published_and_only_on_this_machine():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"web": ["127.0.0.1:${PORT:-8000}:8000"]}
    assert yaml.safe_load(TEXT)["networks"]["inside"]["internal"]


@pytest.mark.requirement("OPS-06")
def test_a_cycle_may_end_before_its_worker_is_cut_off():
    for name in OURS:
        assert seconds(OURS[name]["stop_grace_period"]) > DEADLINE.total_seconds()


def test_every_lasting_service_is_watched_and_comes_back():
    for name, service in SERVICES.items():
        lasting = name != "migrate"
        assert service["restart"] == ("unless-stopped" if lasting else "no")
        assert ("healthcheck" in service) == lasting


@pytest.mark.requirement("RSK-06")
def test_the_guardian_does_not_wait_for_redis():
    assert set(SERVICES["guardian"]["depends_on"]) == {"migrate"}


def test_every_variable_is_documented():
    documented = (settings.BASE_DIR / ".env.example").read_text()
    used = set(re.findall(r"\$\{(\w+)", TEXT)) | {name for one in OURS.values() for name in one["environment"]}
    assert {name for name in used if f"#{name}=" not in documented} == set()


def test_the_image_runs_as_nobody_special_and_holds_no_compiler():
    text = (settings.BASE_DIR / "Dockerfile").read_text()
    final = text.rpartition("\nFROM ")[2]
    assert "USER trading" in final
    assert not re.search(r"apt|gcc|build-essential|HEALTHCHECK", text)
    assert "--require-hashes" in text
    ignored = (settings.BASE_DIR / ".dockerignore").read_text().split("\n")
    assert {".git", ".env", ".env.*", "var"} <= set(ignored)
