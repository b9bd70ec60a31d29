"""The list of faults to survive: which scenario produces each, or what an open one waits for.

Nothing of the product is imported here, so that what is asked for can be refused before anything is started.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """`scenario` names the module and function that produce it; without one `waits_for` says what is not built yet."""

    number: str
    title: str
    scenario: str = ""
    waits_for: str = ""


MODELS, ALERTS, ROLLOUT = "language models", "alerts", "roll-out, backup and restore"

FAULTS = (
    Fault("F1", "killed between send and ack", "processes_broken.killed_between_send_and_ack"),
    Fault("F2", "time-out, state unknown", "live_broken.answer_lost"),
    Fault("F3", "venue shows the order late", "live_broken.shown_late"),
    Fault("F4", "broker restarted or flushed", "servers_broken.broker_lost"),
    Fault("F5", "database lost mid-transaction", "servers_broken.database_lost"),
    Fault("F6", "SQLite locked, disk full", waits_for="watching the disk"),
    Fault("F7", "every task delivered 2-5 times", "storm.delivered_again"),
    Fault("F8", "two workers run one bot", "processes_broken.paused_past_lease"),
    Fault("F9", "slow cycle meets the next slot", "processes_broken.slow_decider"),
    Fault("F10", "beat stopped, beat doubled", "processes_broken.beat_stopped_or_double"),
    Fault("F11", "429, 418 ban", "live_limits.limited"),
    Fault("F12", "5xx, maintenance, DNS, TLS", "live_changed.away"),
    Fault("F13", "stale or frozen price", "live_prices.stale"),
    Fault("F14", "NaN, zero, inverted, spike", "live_prices.nonsense"),
    Fault("F15", "clock drift and steps", "live_changed.clock_wrong"),
    Fault("F16", "partial fill then cancel", "live_broken.partly_filled"),
    Fault("F17", "overfill, duplicate fill", "live_broken.fills_in_disorder"),
    Fault("F18", "precision and minimum refusals", "live_broken.imprecise"),
    Fault("F19", "dust blocks closing", "live_dust.dust"),
    Fault("F20", "insufficient funds loop", "live_funds.not_enough"),
    Fault("F21", "symbol delisted or renamed", "live_delisting.delisted"),
    Fault("F22", "model junk or time-out", waits_for=MODELS),
    Fault("F23", "stop on the wrong side", "live_funds.no_sound_stop"),
    Fault("F24", "prompt injection", waits_for=MODELS),
    Fault("F25", "stop orphaned after close", "live_broken.stop_orphaned"),
    Fault("F26", "position without stop", "live_broken.stop_lost"),
    Fault("F27", "stop replaced, create fails", "live_broken.stop_not_replaced"),
    Fault("F28", "venue changes its API", "live_broken.stops_refused"),
    Fault("F29", "foreign trade on the account", "live_changed.traded_by_hand"),
    Fault("F30", "funding debits and intervals", "live_changed.funded"),
    Fault("F31", "liquidation, ADL, settlement", "live_changed.closed_by_the_exchange"),
    Fault("F32", "restart during reconcile", waits_for="kills at points of the first comparison"),
    Fault("F33", "deploy with positions open", waits_for=ROLLOUT),
    Fault("F34", "backup restored", waits_for=ROLLOUT),
    Fault("F35", "key revoked, IP blocked", "live_changed.key_revoked"),
    Fault("F36", "Redis down", "servers_broken.redis_down"),
    Fault("F37", "notifications down", waits_for=ALERTS),
    Fault("F38", "SIGTERM, SIGKILL at random", "processes_broken.ended_at_random"),
    Fault("F39", "leverage changed outside", "live_changed.modes_changed"),
    Fault("F40", "account over-exposed by two bots", "live_funds.too_many"),
    Fault("live", "killed on the way to an exchange", "live_kills.killed_on_the_way"),
    Fault("storm", "all of these at random, doubled", "storm.storm"),
)


def plan(*, only: str, runs: int) -> list[tuple[Fault, int]]:
    """The faults that are asked for with the runs of each, in the order of the contract; an open one has no runs.

    `only` names them as in `F1:40,F8,storm`, where a number after the colon is how often; empty means all of them.
    Raises ValueError with a sentence.
    """
    if runs < 1:
        raise ValueError(f"A fault is produced once or more often, not {runs} times.")
    asked = dict(_asked(part.strip(), runs) for part in only.split(",") if part.strip())
    if unknown := asked.keys() - {fault.number.upper() for fault in FAULTS}:
        raise ValueError(f"There is no fault {min(unknown)}; the numbers are those of the list, and storm.")
    chosen = [fault for fault in FAULTS if not asked or fault.number.upper() in asked]
    return [(fault, asked.get(fault.number.upper(), runs) if fault.scenario else 0) for fault in chosen]


def _asked(text: str, runs: int) -> tuple[str, int]:
    number, colon, own = text.upper().partition(":")
    if colon and not (own.isdigit() and int(own)):
        raise ValueError(f"«{text}» does not say how often: write {number}:20.")
    return number, int(own) if colon else runs
