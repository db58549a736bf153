"""The causes that there are, and what is to be done about each: the next command, how it is resolved, what is to follow."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files


class Cause(StrEnum):
    # the ticket is answered, and what there may be to say about that
    ANSWERED = "answered"
    NOTE_DELETED = "note_deleted"
    UNCHANGED = "unchanged"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    DEGRADED = "degraded"
    # it is on its way
    IN_PROGRESS = "in_progress"
    BACKLOG = "backlog"
    STAGE_STOPPED = "stage_stopped"
    STUCK = "stuck"
    EDITS_GATHERED = "edits_gathered"
    # held, or answered with less for want of a model
    DESK_UNAVAILABLE = "desk_unavailable"
    DESK_RATE_LIMITED = "desk_rate_limited"
    DESK_CREDENTIAL_REFUSED = "desk_credential_refused"
    NOTE_UNCERTAIN = "note_uncertain"
    MODEL_UNAVAILABLE = "model_unavailable"
    MODEL_TOO_SLOW = "model_too_slow"
    MODEL_RATE_LIMITED = "model_rate_limited"
    MODEL_REFUSED = "model_refused"
    DATABASE_UNAVAILABLE = "database_unavailable"
    TENANT_DISABLED = "tenant_disabled"
    KEY_UNKNOWN = "key_unknown"
    # there is to be no note
    TICKET_DELETED = "ticket_deleted"
    TICKET_CLOSED = "ticket_closed"
    NOTE_LIMIT = "note_limit"
    # set aside
    ISOLATION = "isolation"
    NOT_OURS = "not_ours"
    CONFLICTING_DUPLICATE = "conflicting_duplicate"
    DESK_REFUSED = "desk_refused"
    HELD_TOO_LONG = "held_too_long"
    FAILS_ALONE = "fails_alone"
    CRASHES_WORKER = "crashes_worker"
    INTERNAL_ERROR = "internal_error"
    UNREADABLE = "unreadable"
    # it never came in
    WRONG_SECRET = "wrong_secret"  # noqa: S105 - a cause's name
    CLOCK_OFF = "clock_off"
    RATE_LIMITED = "rate_limited"
    WEBHOOK_REFUSED = "webhook_refused"
    NEVER_SENT = "never_sent"
    NEVER_RECEIVED = "never_received"
    NO_SUCH_TICKET = "no_such_ticket"
    NO_SUCH_TENANT = "no_such_tenant"
    # nobody can tell
    SOURCES_AWAY = "sources_away"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class Remedy:
    """Texts with {tenant}, {ticket}, {letter}, {stage} and {since} in them. `command` is empty where nothing is to be done."""

    command: str
    resolution: str
    follow_up: str


def _read() -> dict[Cause, Remedy]:
    text = files(__package__).joinpath("remedies.toml").read_text("utf-8")
    return {Cause(name): Remedy(**given) for name, given in tomllib.loads(text).items()}


REMEDIES: Mapping[Cause, Remedy] = _read()
