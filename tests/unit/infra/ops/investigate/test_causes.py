"""From facts to the root cause: one case after the other, and which of two goes before the other."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from infra.ops.cli.rights import RIGHTS
from infra.ops.investigate.cause import REMEDIES, Cause
from infra.ops.investigate.causes import root_cause
from infra.ops.investigate.facts import AtDesk, Breaker, DeskView, Facts, Found, Reconciled, Secret
from infra.ops.investigate.journey import Status
from infra.runtime.stream.breaker import BreakerState
from infra.runtime.stream.record import Position
from schemas.topics import Stage
from tests.unit.infra.ops.investigate.made_facts import (
    CAME,
    ENRICHED,
    EVENT,
    LANES,
    NOW,
    SETTINGS,
    admitted,
    arrival,
    content,
    facts,
    hold,
    lane,
    letter,
    on_the_way,
    pending,
    refusal,
    unheard_of,
    with_lane,
    written,
)

GONE = DeskView(AtDesk.GONE)
DISABLED = replace(SETTINGS, enabled=False)
LATER = admitted(
    event_id="e2", outcome="dropped", reason="unchanged", received_at=CAME + timedelta(minutes=1), record=None
)
COPIED = Found(Position("tickets.received", 7, 40), EVENT, CAME, copies=(41,))
AT_ENRICH = on_the_way(contents=(), arrivals=(arrival(position=Position("tickets.received", 7, 110)),))
AT_SYNTHESIZE = on_the_way(contents=(pending(),))


def at_enrich(before: int = 0, **fields: Any) -> Facts:
    """With so many before it, at a stage that works."""
    waits = lane(Stage.ENRICH, 110 - before, 120)
    given: dict[str, Any] = {"lanes": with_lane(waits)}
    return replace(AT_ENRICH, **given | fields)


CASES: dict[str, tuple[Cause, Status, Facts]] = {
    "answered": (Cause.ANSWERED, Status.ANSWERED, facts()),
    "answered, desk away": (Cause.ANSWERED, Status.ANSWERED, facts(desk=None, missing={"desk": "no answer"})),
    "our own note's echo": (Cause.ANSWERED, Status.ANSWERED, facts(arrivals=(admitted(), LATER))),
    "note deleted": (Cause.NOTE_DELETED, Status.ANSWERED, facts(desk=DeskView(AtDesk.OPEN, note_there=False))),
    "answered, then the ticket deleted": (Cause.TICKET_DELETED, Status.ANSWERED, facts(desk=GONE)),
    "unchanged": (
        Cause.UNCHANGED,
        Status.ANSWERED,
        facts(arrivals=(admitted(), LATER, replace(LATER, event_id="e3"))),
    ),
    "duplicate": (Cause.DUPLICATE, Status.ANSWERED, facts(arrivals=(admitted(record=COPIED),))),
    "superseded": (
        Cause.SUPERSEDED,
        Status.ANSWERED,
        facts(contents=(content(content_hash="c0", event_id="e0", status="dropped", reason="superseded"), content())),
    ),
    "answered with less": (Cause.DEGRADED, Status.ANSWERED, facts(contents=(content(degraded="cut off"),))),
    "answered without the model": (
        Cause.MODEL_UNAVAILABLE,
        Status.ANSWERED,
        facts(contents=(content(degraded="model unavailable: 500"),)),
    ),
    "answered by the other model": (
        Cause.MODEL_UNAVAILABLE,
        Status.ANSWERED,
        facts(contents=(content(degraded="written by b, since a was away: 500"),)),
    ),
    "answered, model too slow": (
        Cause.MODEL_TOO_SLOW,
        Status.ANSWERED,
        facts(contents=(content(degraded="model unavailable: no answer within 30 s"),)),
    ),
    "answered, model refused": (
        Cause.MODEL_REFUSED,
        Status.ANSWERED,
        facts(contents=(content(degraded="model refused: 402"),)),
    ),
    "desk down": (Cause.DESK_UNAVAILABLE, Status.HELD, on_the_way(holds=(hold("desk_unavailable"),))),
    "desk 429": (Cause.DESK_RATE_LIMITED, Status.HELD, on_the_way(holds=(hold("desk_rate_limited"),))),
    "credential": (Cause.DESK_CREDENTIAL_REFUSED, Status.HELD, on_the_way(holds=(hold("desk_credential_refused"),))),
    "note uncertain": (Cause.NOTE_UNCERTAIN, Status.HELD, on_the_way(holds=(hold("note_uncertain"),))),
    "model away": (
        Cause.MODEL_UNAVAILABLE,
        Status.HELD,
        replace(AT_SYNTHESIZE, holds=(hold("model_unavailable", Stage.SYNTHESIZE),)),
    ),
    "model too slow": (
        Cause.MODEL_TOO_SLOW,
        Status.HELD,
        replace(
            AT_SYNTHESIZE, holds=(hold("model_unavailable", Stage.SYNTHESIZE, detail="no answer within 30 s"),)
        ),
    ),
    "disabled while it waits": (
        Cause.TENANT_DISABLED,
        Status.HELD,
        at_enrich(holds=(hold("tenant_disabled", Stage.ENRICH),)),
    ),
    "database away": (
        Cause.DATABASE_UNAVAILABLE,
        Status.HELD,
        on_the_way(holds=(hold("database_unavailable"),)),
    ),
    "worker dies": (
        Cause.CRASHES_WORKER,
        Status.HELD,
        on_the_way(holds=(hold("crashes_worker", deaths=2),), lanes=with_lane(lane(Stage.DELIVER, owned=False))),
    ),
    "held, and overdue at a stage that is stopped": (
        Cause.STAGE_STOPPED,
        Status.HELD,
        on_the_way(
            holds=(hold("desk_unavailable", until=NOW - timedelta(minutes=3)),),
            lanes=with_lane(lane(Stage.DELIVER, workers=0, owned=False)),
        ),
    ),
    "enrich stopped": (
        Cause.STAGE_STOPPED,
        Status.WAITING,
        at_enrich(lanes=with_lane(lane(Stage.ENRICH, 110, 120, workers=0, owned=False))),
    ),
    "synthesize stopped": (
        Cause.STAGE_STOPPED,
        Status.WAITING,
        replace(AT_SYNTHESIZE, lanes=with_lane(lane(Stage.SYNTHESIZE, workers=0, owned=False))),
    ),
    "deliver stopped": (
        Cause.STAGE_STOPPED,
        Status.WAITING,
        on_the_way(lanes=with_lane(lane(Stage.DELIVER, workers=0, owned=False))),
    ),
    "backlog": (Cause.BACKLOG, Status.WAITING, at_enrich(before=9)),
    "next in turn": (Cause.IN_PROGRESS, Status.WAITING, at_enrich()),
    "next in turn for long": (
        Cause.STUCK,
        Status.WAITING,
        at_enrich(now=NOW + timedelta(hours=1)),
    ),
    "edits are gathered": (
        Cause.EDITS_GATHERED,
        Status.WAITING,
        at_enrich(
            arrivals=(
                arrival(kind="updated", admitted_at=NOW, received_at=NOW, position=Position("tickets.received", 7, 110)),
            )
        ),
    ),
    "lane closed by another ticket": (
        Cause.DESK_CREDENTIAL_REFUSED,
        Status.WAITING,
        on_the_way(closing=(hold("desk_credential_refused", ticket_id="777", event_id="e9"),)),
    ),
    "lane closed by its breaker": (
        Cause.DESK_UNAVAILABLE,
        Status.WAITING,
        on_the_way(breakers={Stage.DELIVER: Breaker(Stage.DELIVER, BreakerState.OPEN, NOW)}),
    ),
    "another ticket kills the worker": (
        Cause.CRASHES_WORKER,
        Status.WAITING,
        on_the_way(closing=(hold("crashes_worker", ticket_id="777", event_id="e9", deaths=1),)),
    ),
    "ticket deleted": (
        Cause.TICKET_DELETED,
        Status.DROPPED,
        on_the_way(contents=(written(status="dropped", reason="ticket_deleted"),)),
    ),
    "came closed": (
        Cause.TICKET_CLOSED,
        Status.DROPPED,
        facts(contents=(), intents=(), arrivals=(admitted(outcome="dropped", reason="not_for_enhancement"),)),
    ),
    "note limit": (
        Cause.NOTE_LIMIT,
        Status.DROPPED,
        on_the_way(contents=(written(status="dropped", reason="note_limit"),)),
    ),
    "isolation": (
        Cause.ISOLATION,
        Status.DEAD_LETTER,
        unheard_of(letters=(letter("tenant_mismatch", stage="enrich"),)),
    ),
    "forged": (Cause.NOT_OURS, Status.DEAD_LETTER, unheard_of(letters=(letter("bad_signature"),))),
    "internal error": (Cause.INTERNAL_ERROR, Status.DEAD_LETTER, on_the_way(letters=(letter("internal_error"),))),
    "kills workers": (Cause.CRASHES_WORKER, Status.DEAD_LETTER, on_the_way(letters=(letter("crashes_worker"),))),
    "desk refuses": (Cause.DESK_REFUSED, Status.DEAD_LETTER, on_the_way(letters=(letter("desk_refused"),))),
    "held too long": (Cause.HELD_TOO_LONG, Status.DEAD_LETTER, on_the_way(letters=(letter("held_too_long"),))),
    "fails alone": (Cause.FAILS_ALONE, Status.DEAD_LETTER, on_the_way(letters=(letter("fails_alone"),))),
    "failed, and its letter isn't kept any more": (
        Cause.INTERNAL_ERROR,
        Status.DEAD_LETTER,
        on_the_way(contents=(written(status="failed", reason="internal_error", error="boom"),)),
    ),
    "a second message under one webhook-id": (
        Cause.CONFLICTING_DUPLICATE,
        Status.ANSWERED,
        facts(letters=(letter("conflicting_duplicate", event_id="", original=Position("tickets.received", 7, 50)),)),
    ),
    "replayed after its letter": (
        Cause.ANSWERED,
        Status.ANSWERED,
        facts(letters=(letter("internal_error", last_failed_at=CAME + timedelta(seconds=5)),)),
    ),
    "wrong secret": (Cause.WRONG_SECRET, Status.REFUSED, unheard_of(refusals=(refusal("bad_signature"),))),
    "clock off": (Cause.CLOCK_OFF, Status.REFUSED, unheard_of(refusals=(refusal("stale", seconds_off=-900),))),
    "disabled": (Cause.TENANT_DISABLED, Status.REFUSED, unheard_of(refusals=(refusal("tenant_disabled"),))),
    "disabled, and the refusal isn't kept": (
        Cause.TENANT_DISABLED,
        Status.NEVER_RECEIVED,
        unheard_of(tenant=DISABLED),
    ),
    "above its rate": (Cause.RATE_LIMITED, Status.REFUSED, unheard_of(refusals=(refusal("rate_limited"),))),
    "a wrong field": (Cause.WEBHOOK_REFUSED, Status.REFUSED, unheard_of(refusals=(refusal("schema"),))),
    "refused without a ticket's number": (
        Cause.WRONG_SECRET,
        Status.NEVER_RECEIVED,
        unheard_of(refusals=(refusal("bad_signature", ticket_id=None, at=NOW),)),
    ),
    "another ticket was refused": (
        Cause.NEVER_SENT,
        Status.NEVER_RECEIVED,
        unheard_of(refusals=(refusal("bad_signature", ticket_id="777", at=NOW),)),
    ),
    "never sent": (Cause.NEVER_SENT, Status.NEVER_RECEIVED, unheard_of()),
    "unknown everywhere": (Cause.NO_SUCH_TICKET, Status.NEVER_RECEIVED, unheard_of(desk=GONE)),
    "never received, desk away": (
        Cause.NEVER_RECEIVED,
        Status.NEVER_RECEIVED,
        unheard_of(desk=None, missing={"desk": "no answer"}),
    ),
    "may wait in a backlog too long to look through": (
        Cause.BACKLOG,
        Status.UNKNOWN,
        unheard_of(not_looked_at=70_000),
    ),
    "no such tenant": (Cause.NO_SUCH_TENANT, Status.UNKNOWN, unheard_of(tenant=None, lanes={})),
    "PostgreSQL away": (
        Cause.SOURCES_AWAY,
        Status.UNKNOWN,
        unheard_of(tenant=None, missing={"postgres": "no answer"}),
    ),
    "Kafka away, nothing known": (Cause.SOURCES_AWAY, Status.UNKNOWN, unheard_of(missing={"kafka": "no answer"})),
    "Kafka away, on its way": (
        Cause.SOURCES_AWAY,
        Status.WAITING,
        on_the_way(lanes={}, missing={"kafka": "no answer"}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_root_cause_of(name: str) -> None:
    cause, status, given = CASES[name]

    found = root_cause(given)

    assert (found.cause, found.place.status) == (cause, status), found.words
    assert found.words


def test_every_cause_has_its_remedy_and_is_meant_to_be_found() -> None:
    assert REMEDIES.keys() == set(Cause)
    assert set(Cause) - {cause for cause, _, _ in CASES.values()} <= {
        Cause.KEY_UNKNOWN,
        Cause.MODEL_RATE_LIMITED,
        Cause.UNREADABLE,
        Cause.UNEXPLAINED,
    }


@pytest.mark.parametrize("cause", Cause)
def test_the_next_command_is_one_that_there_is(cause: Cause) -> None:
    words = shlex.split(REMEDIES[cause].command.format(tenant="t", ticket="1", letter="7:3", stage="s", since="2h"))
    if words:
        assert words[0] == "ticketstream"
        assert words[1] in RIGHTS or " ".join(words[1:3]) in RIGHTS


def test_a_runbook_that_a_remedy_names_is_there(runbooks: frozenset[str]) -> None:
    named = {name for one in REMEDIES.values() for name in re.findall(r"runbook (\w+)", one.resolution)}
    assert named and named <= runbooks


def test_how_many_wait_before_it_is_told() -> None:
    assert root_cause(at_enrich(before=9)).place.before == 9
    assert "9 events" in root_cause(at_enrich(before=9)).words


def test_an_odd_ticket_number_stays_one_word_of_the_command() -> None:
    odd = unheard_of(ticket_id="1; rm -rf /", tenant=None, missing={"postgres": "no answer"})
    assert shlex.split(root_cause(odd).next_command)[-1] == "1; rm -rf /"


def test_a_secret_that_was_exchanged_here_is_named() -> None:
    exchanged = unheard_of(
        refusals=(refusal("bad_signature"),), secrets=(Secret(CAME - timedelta(hours=1), None), Secret(CAME, CAME))
    )
    assert "exchanged here" in root_cause(exchanged).words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reconciled": None}, "never ran"),
        ({"reconciled": Reconciled(CAME + timedelta(hours=1))}, "created before"),
        ({"reconciled": Reconciled(CAME - timedelta(days=1), NOW, "failed", "no key")}, "no key"),
        ({"desk": DeskView(AtDesk.CLOSED, "Closed", "", CAME)}, "closed"),
    ],
)
def test_whether_reconcile_would_feed_it_in_is_told(change: dict[str, object], words: str) -> None:
    assert words in root_cause(unheard_of(**change)).words


def test_a_replay_waits_where_it_is_and_not_where_the_event_before_it_was() -> None:
    """Its content's row still tells of the text that was written for the first."""
    replayed = admitted(event_id="e2", kind="replayed", replay_of=EVENT, record=None, received_at=NOW)
    given = on_the_way(arrivals=(admitted(), replayed), contents=(written(event_id="e2"),))
    assert root_cause(given).place.stage is Stage.SYNTHESIZE


def test_a_hold_of_the_event_before_does_not_count_for_the_next() -> None:
    newer = arrival(event_id="e2", received_at=NOW, position=Position("tickets.received", 7, 110), record=None)
    given = on_the_way(
        arrivals=(admitted(), newer), holds=(hold("desk_unavailable"),), lanes=with_lane(lane(Stage.ENRICH, 110, 111))
    )
    assert root_cause(given).cause is Cause.IN_PROGRESS


def test_what_an_event_led_to_is_known_by_its_derived_ids() -> None:
    assert (
        root_cause(on_the_way(holds=(hold("retry", Stage.SYNTHESIZE, event_id=ENRICHED),))).place.status is Status.HELD
    )
    assert (
        root_cause(on_the_way(holds=(hold("retry", event_id="another"),), lanes=LANES)).place.status is Status.WAITING
    )
