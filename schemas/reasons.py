"""Why an event was dropped, held or dead-lettered: one word for one thing in logs, metrics, dead letters and runbooks."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    # dropped: nothing is wrong, there is nothing to say
    UNCHANGED = "unchanged"  # the ticket's relevant content is one that we have answered already
    SUPERSEDED = "superseded"  # newer content of the ticket is on its way
    DUPLICATE = "duplicate"  # a copy of an event that was handled
    TICKET_CLOSED = "ticket_closed"
    TICKET_DELETED = "ticket_deleted"
    ALREADY_ANSWERED = "already_answered"  # our note for this content is on the ticket
    NOTE_LIMIT = "note_limit"  # the ticket had its notes of a day
    TENANT_ERASED = "tenant_erased"  # nothing of a tenant that left is written any more
    NOT_FOR_ENHANCEMENT = "not_for_enhancement"  # stored as history only, e.g. a ticket that arrives closed

    # held: something is wrong with the world, the event waits
    KEY_UNKNOWN = "key_unknown"
    TENANT_UNKNOWN = "tenant_unknown"
    TENANT_DISABLED = "tenant_disabled"
    DATABASE_UNAVAILABLE = "database_unavailable"
    DESK_UNAVAILABLE = "desk_unavailable"
    DESK_RATE_LIMITED = "desk_rate_limited"
    DESK_CREDENTIAL_REFUSED = "desk_credential_refused"
    NOTE_UNCERTAIN = "note_uncertain"  # the desk may have written the note: it is looked for before a second try
    NOTE_PENDING = (
        "note_pending"  # an earlier try at the note may still be under way: another worker's, or one that was cut off
    )
    MODEL_UNAVAILABLE = "model_unavailable"
    MODEL_RATE_LIMITED = "model_rate_limited"
    ANSWER_PENDING = "answer_pending"  # another worker's model call for this event is still running
    GATHERING = "gathering"  # a later edit waits a little for further ones
    RETRY = "retry"  # a handler raised; it gets another try

    # dead letters: something is wrong with the event
    MALFORMED = "malformed"
    UNKNOWN_SCHEMA = "unknown_schema"
    BAD_SIGNATURE = "bad_signature"
    WRONG_PARTITION = "wrong_partition"
    TENANT_MISMATCH = "tenant_mismatch"
    TOO_LARGE = "too_large"
    CONFLICTING_DUPLICATE = "conflicting_duplicate"
    DESK_REFUSED = "desk_refused"
    MODEL_REFUSED = "model_refused"
    HELD_TOO_LONG = "held_too_long"
    FAILS_ALONE = "fails_alone"  # it failed five times while its tenant's other events succeeded
    CRASHES_WORKER = "crashes_worker"
    INTERNAL_ERROR = "internal_error"  # an exception that nothing foresaw: a bug
