"""When a bot's next slot is: an interval, another one while it holds a position, or a crontab line. All in UTC.

A crontab says minutes of market time, so it means the same on a live feed, on a replay and in a simulation.
"""

from datetime import datetime, timedelta

from celery.schedules import ParseException, crontab

from .models import Bot

MINUTE = timedelta(minutes=1)
FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
# A line that names no minute in so many days, such as the 31st of February, names none.
LONGEST = timedelta(days=366 * 4 + 1)


class BadCrontab(ValueError):
    """Not a crontab line, or one that never comes round. The message is for people."""


def parse(line: str) -> crontab:
    """The schedule of a line of five fields. Raises BadCrontab."""
    words = line.split()
    if len(words) != len(FIELDS):
        raise BadCrontab("Give five fields: minute, hour, day of month, month, day of week, such as */15 * * * *.")
    try:
        return crontab(**dict(zip(FIELDS, words, strict=True)))
    except (ParseException, ValueError) as error:
        raise BadCrontab(f"That is not a crontab line: {str(error).rstrip('.')}.") from None


def after(line: str, at: datetime) -> datetime:
    """The first minute of `line` after `at`. Raises BadCrontab where there is none in four years."""
    schedule = parse(line)
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    while day - at <= LONGEST:
        if _on(schedule, day):
            for hour in sorted(schedule.hour):
                for minute in sorted(schedule.minute):
                    found = day.replace(hour=hour, minute=minute)
                    if found > at:
                        return found
        day += timedelta(days=1)
    raise BadCrontab("That line never comes round.")


def _on(schedule: crontab, day: datetime) -> bool:
    return (
        day.month in schedule.month_of_year
        and day.day in schedule.day_of_month
        and day.isoweekday() % 7 in schedule.day_of_week
    )


def interval(bot: Bot, *, holding: bool) -> timedelta:
    """Between two slots of a bot that goes by intervals."""
    if holding and bot.position_interval_seconds:
        return timedelta(seconds=bot.position_interval_seconds)
    return bot.interval


def latest(bot: Bot, now: datetime, *, holding: bool) -> tuple[datetime, datetime, int]:
    """The bot's latest slot at or before `now`, the one after it, and how many before it were missed."""
    assert bot.next_run_at is not None
    slot, missed = bot.next_run_at, 0
    if not bot.crontab:
        step = interval(bot, holding=holding)
        missed = (now - slot) // step
        return slot + missed * step, slot + (missed + 1) * step, missed
    following = after(bot.crontab, slot)
    while following <= now:
        slot, following, missed = following, after(bot.crontab, following), missed + 1
    return slot, following, missed
