"""Facts of made-up tickets, each a little different from a ticket that was answered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.ops.investigate.facts import Arrival, AtDesk, Content, DeskView, Facts, Found, Hold, Intent, Lane, Letter
from infra.runtime.stream.outcomes import Scope
from infra.runtime.stream.record import Position
from schemas import ids
from schemas.topics import Stage
from sinks.postgres.tenant_settings import TenantSettings
from sinks.postgres.webhook_refusals import Refusal

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
CAME = NOW - timedelta(minutes=5)
TENANT, TICKET = "msp-acme-corp", "12345"
EVENT = ids.of_webhook(TENANT, "msg_1")
ENRICHED = ids.of_output(EVENT, "enrich")
SYNTHESIZED = ids.of_output(ENRICHED, "synthesize")
TRACE = "0af7651916cd43dd8448eb211c80319c"
SETTINGS = TenantSettings(
    TENANT, 7, True, "https://desk.acme.example", "onprem", 5, 120, True, "gpt-4-turbo", 0.7, False, 20.0, 100
)


def arrival(**fields: Any) -> Arrival:
    record = Found(Position("tickets.received", 7, 40), EVENT, CAME, TRACE)
    given: dict[str, Any] = {
        "event_id": EVENT,
        "kind": "created",
        "received_at": CAME,
        "position": record.position,
        "record": record,
        "delivery_id": "msg_1",
        "entered_by": "ingest",
        "signature": "record's signature verified (ingest-1)",
    }
    return Arrival(**given | fields)


def admitted(**fields: Any) -> Arrival:
    """What enrich is done with."""
    done: dict[str, Any] = {
        "admitted_at": CAME + timedelta(seconds=1),
        "done_at": CAME + timedelta(seconds=2),
        "outcome": "published",
    }
    return arrival(**done | fields)


def content(**fields: Any) -> Content:
    given: dict[str, Any] = {
        "content_hash": "c1",
        "status": "success",
        "event_id": EVENT,
        "created_at": CAME,
        "updated_at": CAME + timedelta(seconds=20),
        "enhancement_id": ids.derive(ENRICHED, "enhancement"),
        "note_id": "501",
        "writer": "builtin",
        "synthesized_at": CAME + timedelta(seconds=10),
        "posted_at": CAME + timedelta(seconds=20),
    }
    return Content(**given | fields)


def pending(**fields: Any) -> Content:
    """Not written yet."""
    nothing = dict.fromkeys(("enhancement_id", "note_id", "writer", "synthesized_at", "posted_at"))
    return content(**nothing | {"status": "pending"} | fields)


def written(**fields: Any) -> Content:
    """Not posted yet."""
    return content(**{"status": "pending", "note_id": None, "posted_at": None} | fields)


def intent() -> Intent:
    return Intent("m1", "c1", "done", CAME + timedelta(seconds=15), "501", None, CAME + timedelta(seconds=20))


def lane(stage: Stage, next_: int = 100, end: int = 100, **fields: Any) -> Lane:
    return Lane(stage, next_, end, **{"workers": 1, "owned": True} | fields)


LANES = {stage: lane(stage) for stage in (Stage.ENRICH, Stage.SYNTHESIZE, Stage.DELIVER)}


def with_lane(one: Lane) -> dict[Stage, Lane]:
    return {**LANES, one.stage: one}


def hold(reason: str, stage: Stage = Stage.DELIVER, **fields: Any) -> Hold:
    event = {Stage.ENRICH: EVENT, Stage.SYNTHESIZE: ENRICHED, Stage.DELIVER: SYNTHESIZED}[stage]
    given: dict[str, Any] = {
        "stage": stage,
        "ticket_id": TICKET,
        "event_id": event,
        "scope": Scope.LANE,
        "reason": reason,
        "detail": "the desk answered 503",
        "until": NOW + timedelta(seconds=40),
        "first_failed_at": CAME,
        "attempts": 3,
        "deaths": 0,
        "position": Position(stage.consumes.value, 7, 100),
    }
    return Hold(**given | fields)


def letter(reason: str, **fields: Any) -> Letter:
    given: dict[str, Any] = {
        "place": "7:3",
        "stage": "deliver",
        "reason": reason,
        "error": "what was wrong",
        "attempts": 1,
        "first_failed_at": CAME,
        "last_failed_at": CAME + timedelta(seconds=30),
        "original": Position("enhancements.synthesized", 7, 40),
        "trace_id": TRACE,
        "event_id": SYNTHESIZED,
    }
    return Letter(**given | fields)


def refusal(reason: str, **fields: Any) -> Refusal:
    given: dict[str, Any] = {"at": CAME, "status": 403, "reason": reason, "ticket_id": TICKET}
    return Refusal(**given | fields)


def facts(**fields: Any) -> Facts:
    """Of a ticket that was answered, unless the fields say otherwise."""
    whole = Facts(
        TENANT,
        TICKET,
        NOW,
        SETTINGS,
        arrivals=(admitted(),),
        contents=(content(),),
        intents=(intent(),),
        lanes=LANES,
        desk=DeskView(AtDesk.OPEN, "Open", "No network", CAME, note_there=True),
        subject="No network",
    )
    return replace(whole, **fields)


def on_the_way(**fields: Any) -> Facts:
    """Of one that isn't answered yet: at deliver, unless the fields say otherwise."""
    return facts(**{"contents": (written(),), "intents": ()} | fields)


def unheard_of(**fields: Any) -> Facts:
    """Of one of which no event ever came, and which the desk has."""
    return facts(
        **{
            "arrivals": (),
            "contents": (),
            "intents": (),
            "desk": DeskView(AtDesk.OPEN, "Open", "No network", CAME),
        }
        | fields
    )
