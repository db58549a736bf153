"""`ticketstream dead-letters` on a real Kafka and a real PostgreSQL, with letters as the stages write them."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from infra.runtime.stream.letters import Failures, letter
from infra.runtime.stream.outcomes import DeadLetter
from infra.runtime.stream.record import RawRecord
from schemas import ids
from schemas.envelope import Envelope, parse
from schemas.reasons import Reason
from schemas.topics import Stage, Topic
from sinks.postgres.operator_tokens import Role
from tests.integration.infra.ops.replay.replay_world import Owner, ReplayWorld, a_moment, received, rfc
from tests.integration.operator_token import operator_token

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def dead_letter(
    world: ReplayWorld, owner: Owner, reason: Reason, *, proven: bool = True, **changes: Any
) -> tuple[Any, Any]:
    """An event that enrich received and could not handle, and its letter as it is kept."""
    event = received(owner.tenant_id)
    await world.publish(event, Topic.TICKETS_RECEIVED, owner.partition, trace=TRACE)
    record = (await world.records(Topic.TICKETS_RECEIVED, owner.partition))[-1]
    made = replace(_letter(record, reason, proven=proven), **changes)
    await world.publish(made, Topic.DEAD_LETTERS, owner.partition, service="enrich")
    return event, made


def _letter(record: RawRecord, reason: Reason, *, proven: bool) -> Any:
    envelope: Envelope | None = parse(record.headers)[0] if proven else None
    assert record.appended_at
    failures = Failures(3, record.appended_at, record.appended_at + timedelta(seconds=1))
    outcome = DeadLetter(reason, "Traceback (most recent call last):\n  nothing\nKeyError: 'x'")
    return letter(record, outcome, stage=Stage.ENRICH, proven=envelope, failures=failures)


async def test_letters_are_found_by_what_they_say(world: ReplayWorld, owner: Owner) -> None:
    since = await a_moment()
    event, made = await dead_letter(world, owner, Reason.INTERNAL_ERROR)
    other, _ = await dead_letter(world, owner, Reason.DESK_REFUSED)
    whole = ("dead-letters", "list", "--tenant", owner.tenant_id, "--json")

    listed = (await world.command(*whole, "--since", rfc(since))).value["dead_letters"]
    assert [row["ticket_id"] for row in listed] == [event.ticket_id, other.ticket_id]
    row = listed[0]
    assert (row["reason"], row["stage"], row["attempts"]) == ("internal_error", "enrich", 3)
    assert (row["event_id"], row["trace_id"]) == (made.event_id, TRACE.split("-")[1])
    by_reason = (await world.command(*whole, "--reason", "desk_refused", "--limit", "5")).value["dead_letters"]
    assert [row["ticket_id"] for row in by_reason] == [other.ticket_id]
    by_ticket = (await world.command(*whole, "--ticket", event.ticket_id, "--stage", "enrich")).value["dead_letters"]
    assert [row["reason"] for row in by_ticket] == ["internal_error"]
    assert (await world.command(*whole, "--until", rfc(since))).value["dead_letters"] == []


async def test_a_person_sees_the_letters_of_own_tenants_only(world: ReplayWorld, owner: Owner) -> None:
    since, own = await a_moment(), await world.tenant()
    _, others = await dead_letter(world, owner, Reason.INTERNAL_ERROR)
    _, nobodys = await dead_letter(world, owner, Reason.BAD_SIGNATURE, proven=False)
    _, mine = await dead_letter(world, own, Reason.INTERNAL_ERROR)
    dsn = world.environment["DATABASE_URL_OPERATOR"]
    token = await operator_token(dsn, "Own Only", Role.SUPPORT, own.tenant_id)

    listed = await world.command("dead-letters", "list", "--since", rfc(since), "--json", token=token)
    assert [row["event_id"] for row in listed.value["dead_letters"]] == [mine.event_id]
    for letter_id in (others.event_id, nobodys.event_id):
        shown = await world.command("dead-letters", "show", letter_id, "--why", "curious", token=token)
        assert shown.code == 1 and "KeyError" not in shown.out + shown.err
    assert (await world.command("dead-letters", "show", mine.event_id, "--reason", "case 4711", token=token)).code == 0
    everything = await world.command("dead-letters", "replay", "--yes", token=token)
    assert everything.code == 1 and f"name one of yours: {own.tenant_id}" in everything.err
    assert await world.audit(owner) == [("refused", "Own Only", "")]
    assert await world.audit(own) == [("dead-letters show", "Own Only", "case 4711")]


async def test_nobody_looks_into_a_letter_without_saying_why(world: ReplayWorld, owner: Owner) -> None:
    _, made = await dead_letter(world, owner, Reason.INTERNAL_ERROR)
    silent = await world.command("dead-letters", "show", made.event_id)

    assert silent.code == 2 and "needs a reason" in silent.err and "KeyError" not in silent.out + silent.err
    assert await world.audit(owner) == []


async def test_one_letter_is_shown_whole_and_looking_is_audited(
    world: ReplayWorld, owner: Owner, tmp_path: Path
) -> None:
    event, made = await dead_letter(world, owner, Reason.INTERNAL_ERROR)
    raw = tmp_path / "original"

    shown = (
        await world.command("dead-letters", "show", made.event_id, "--raw", str(raw), "--why", "case 4711", "--json")
    ).value

    assert (shown["reason"], shown["attempts"], shown["replayed"]) == ("internal_error", 3, None)
    assert "KeyError" in shown["error"] and shown["first_at"] < shown["at"]
    assert (shown["event"]["event_id"], shown["event"]["ticket"]["description"]) == (event.event_id, "It is away.")
    assert {"name": "traceparent", "value": TRACE} in shown["headers"]
    assert raw.read_bytes() == made.original_value and stat.S_IMODE(raw.stat().st_mode) == 0o600
    assert await world.audit(owner) == [("dead-letters show", "Test Operator", "case 4711")]
    told = await world.command("dead-letters", "show", shown["letter"], "--reason", "case 4711")
    assert told.code == 0 and "KeyError" in told.out and event.ticket_id in told.out
    missing = await world.command("dead-letters", "show", f"{owner.partition}:99999", "--reason", "case 4711")
    assert missing.code == 2 and "there is no dead letter" in missing.err


async def test_letters_are_replayed_once_signed_anew_and_unproven_ones_never(world: ReplayWorld, owner: Owner) -> None:
    event, made = await dead_letter(world, owner, Reason.INTERNAL_ERROR)
    forged = received(owner.tenant_id)
    await world.publish(forged, Topic.TICKETS_RECEIVED, owner.partition, service="deliver")
    record = (await world.records(Topic.TICKETS_RECEIVED, owner.partition))[-1]
    for letter_of in (
        _letter(record, Reason.BAD_SIGNATURE, proven=False),
        replace(_letter(record, Reason.INTERNAL_ERROR, proven=True), event_id=ids.derive(owner.tenant_id, "forged")),
    ):
        await world.publish(letter_of, Topic.DEAD_LETTERS, owner.partition, service="enrich")
    stranger = replace(made, event_id=ids.derive(owner.tenant_id, "stranger"))
    await world.publish(stranger, Topic.DEAD_LETTERS, owner.partition, service="ingest")
    await world.work_off(Stage.ENRICH, owner)
    asked = ("dead-letters", "replay", "--tenant", owner.tenant_id, "--json")

    shown = (await world.command(*asked)).value
    assert (shown["selected"], shown["to_replay"], shown["replayed"], shown["dry_run"]) == (3, 1, 0, True)
    assert shown["refused"] == {"bad_signature": 2}
    assert shown["by_tenant"][owner.tenant_id]["by_stage_and_reason"] == [
        {"stage": "enrich", "reason": "internal_error", "count": 1}
    ]
    assert await world.replayed(owner) == []

    done = (await world.command(*asked, "--yes", "--why", "mended")).value
    (again,) = await world.replayed(owner)
    assert (again.event_id, again.replay_of) == (ids.of_replayed(event.event_id, done["run_id"]), event.event_id)
    assert (again.again, again.ticket) == (False, event.ticket)
    assert [operation for operation, *_ in await world.audit(owner)] == [
        "dead-letters replay start",
        "dead-letters replay end",
    ]
    replayed = (await world.command("dead-letters", "show", made.event_id, "--reason", "case 4711", "--json")).value[
        "replayed"
    ]
    assert (replayed["run_id"], replayed["who"]) == (done["run_id"], "Test Operator") and replayed["at"]

    once_more = (await world.command(*asked, "--yes")).value
    assert (once_more["already_replayed"], once_more["replayed"]) == (1, 0)
    assert (await world.command(*asked, "--yes", "--again")).value["replayed"] == 1
    assert len({event.event_id for event in await world.replayed(owner)}) == 2

    by_place = ("dead-letters", "replay", "--letter", f"{owner.partition}:1", "--json")
    assert (await world.command(*by_place)).value["refused"] == {"bad_signature": 1}


async def test_a_replay_that_was_killed_between_publishing_and_noting_it_repeats_the_same_id(
    world: ReplayWorld, owner: Owner
) -> None:
    _, made = await dead_letter(world, owner, Reason.INTERNAL_ERROR)
    await world.work_off(Stage.ENRICH, owner)
    asked = ("dead-letters", "replay", "--tenant", owner.tenant_id, "--yes", "--json")
    await world.command(*asked)
    await world.execute("UPDATE replayed_letters SET replayed_at = NULL WHERE tenant_id = $1", owner.tenant_id)

    state = (await world.command("dead-letters", "show", made.event_id, "--reason", "case 4711")).out
    assert "not seen to its end" in state
    assert (await world.command(*asked)).value["replayed"] == 1

    assert len({event.event_id for event in await world.replayed(owner)}) == 1
    (row,) = await world.rows(owner, "SELECT replayed_at FROM replayed_letters")
    assert row["replayed_at"] is not None
