"""`ticketstream replay` as a process of its own, on a real Kafka and a real PostgreSQL."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from infra.runtime.keys.signing import SigningKey
from schemas import ids
from schemas.envelope import peek
from schemas.events import EnhancementSynthesized, FeedbackSubmitted, FeedbackType, TicketEnriched, TicketKind, Writer
from schemas.signature import parse_signature
from schemas.topics import Stage, Topic
from tests.integration.infra.ops.replay.replay_world import (
    Owner,
    ReplayWorld,
    a_moment,
    ids_of,
    received,
    rfc,
)

YES = ("--yes", "--reason", "the desk was down")
FAST = ("--rate", "500/s")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def window(since: Any, until: Any) -> tuple[str, ...]:
    return ("--since", rfc(since), "--until", rfc(until))


async def test_the_window_the_ticket_and_the_tenant_are_exact(world: ReplayWorld, owner: Owner) -> None:
    other = await world.tenant()
    await world.receive(owner, 3)
    since = await a_moment()
    wanted, others = await world.receive(owner, 4), await world.receive(other, 2)
    until = await a_moment()
    await world.receive(owner, 3)
    for one in (owner, other):
        await world.work_off(Stage.ENRICH, one)
    both = f"{owner.tenant_id},{other.tenant_id}"

    shown = (
        await world.command("replay", "--stage", "enrich", "--tenant", both, *window(since, until), "--json")
    ).value
    assert (shown["selected"], shown["replayed"], shown["dry_run"]) == (6, 0, True)
    assert {name: one["to_replay"] for name, one in shown["by_tenant"].items()} == {
        owner.tenant_id: 4,
        other.tenant_id: 2,
    }
    assert await world.replayed(owner) == await world.replayed(other) == []
    assert await world.rows(owner, "SELECT * FROM replay_runs") == []

    only = ("replay", "--stage", "enrich", "--tenant", owner.tenant_id, "--ticket", wanted[1].ticket_id)
    done = (await world.command(*only, *window(since, until), *YES, "--json")).value
    assert (done["selected"], done["replayed"]) == (1, 1)
    assert [event.replay_of for event in await world.replayed(owner)] == [wanted[1].event_id]

    theirs = ("replay", "--stage", "enrich", "--tenant", other.tenant_id, *window(since, until))
    await world.command(*theirs, *YES, *FAST)
    assert {event.replay_of for event in await world.replayed(other)} == ids_of(others)
    assert len(await world.replayed(owner)) == 1, "never another tenant's"
    (record,) = await world.rows(other, "SELECT state, selected, replayed FROM replay_runs")
    assert tuple(record) == ("done", 2, 2)


async def test_what_is_replayed_is_the_original_under_a_new_id_and_signature(world: ReplayWorld, owner: Owner) -> None:
    event = received(owner.tenant_id)
    since = await a_moment()
    await world.publish(event, Topic.TICKETS_RECEIVED, owner.partition, trace=TRACE)
    await world.work_off(Stage.ENRICH, owner)

    asked = ("replay", "--stage", "enrich", "--tenant", owner.tenant_id, "--since", rfc(since))
    done = (await world.command(*asked, *YES, "--again", "--json")).value

    (again,) = await world.replayed(owner)
    assert again.event_id == ids.of_replayed(event.event_id, done["run_id"])
    assert (again.kind, again.replay_of, again.again) == (TicketKind.REPLAYED, event.event_id, True)
    assert (again.ticket, again.received_at) == (event.ticket, event.received_at)
    record = (await world.records(Topic.TICKETS_RECEIVED, owner.partition))[-1]
    assert peek(record.headers, "traceparent") == TRACE
    assert parse_signature(peek(record.headers, "signature"))[0] == world.keys["replay"].key_id
    assert await world.audit(owner) == [
        ("replay start", "Test Operator", "the desk was down"),
        ("replay end", "Test Operator", "the desk was down"),
    ]


async def test_what_has_its_note_or_is_not_ours_is_left_alone(world: ReplayWorld, owner: Owner) -> None:
    disabled = await world.tenant(enabled=False)
    since = await a_moment()
    noted, open_ = await world.receive(owner, 2)
    await world.publish(received(owner.tenant_id), Topic.TICKETS_RECEIVED, owner.partition, service="deliver")
    await world.publish(received("msp-other"), Topic.TICKETS_RECEIVED, owner.partition)
    await world.receive(disabled, 1)
    await world.work_off(Stage.ENRICH, owner)
    await world.execute(
        "INSERT INTO enhancements (tenant_id, ticket_id, content_hash, event_id, status) VALUES ($1, $2, $3, $4, 'success')",
        owner.tenant_id, noted.ticket_id, noted.ticket.content_hash, noted.event_id,
    )  # fmt: skip
    asked = ("replay", "--stage", "enrich", "--all-tenants", "--since", rfc(since), "--json")

    shown = (await world.command(*asked)).value["by_tenant"]
    assert shown[owner.tenant_id] == {
        "selected": 4,
        "to_replay": 1,
        "answered": 1,
        "skipped": {"bad_signature": 1, "wrong_partition": 1},
        "gone": 0,
        "replayed": 0,
    }
    assert (shown[disabled.tenant_id]["to_replay"], shown[disabled.tenant_id]["skipped"]) == (0, {"tenant_disabled": 1})
    again = (await world.command(*asked, "--again")).value["by_tenant"]
    assert (again[owner.tenant_id]["to_replay"], again[owner.tenant_id]["answered"]) == (2, 0)

    done = (await world.command(*asked, *YES)).value
    assert (done["selected"], done["replayed"], done["answered"]) == (4, 1, 1)
    assert [event.replay_of for event in await world.replayed(owner)] == [open_.event_id]
    assert await world.replayed(disabled) == []


async def test_an_earlier_stage_gets_the_newest_event_of_each_ticket(world: ReplayWorld, owner: Owner) -> None:
    first, later, elsewhere = (
        received(owner.tenant_id, ticket_id="T-1"),
        received(owner.tenant_id, ticket_id="T-1", text="It is away, and the printer too."),
        received(owner.tenant_id, ticket_id="T-2"),
    )
    forged = received(owner.tenant_id, ticket_id="T-1", text="forged")
    for event in (first, elsewhere, later):
        await world.publish(event, Topic.TICKETS_RECEIVED, owner.partition)
    await world.publish(forged, Topic.TICKETS_RECEIVED, owner.partition, service="deliver")
    since = await a_moment()
    for event in (first, first):
        await world.publish(synthesized(event), Topic.ENHANCEMENTS_SYNTHESIZED, owner.partition)
    gone = received(owner.tenant_id, ticket_id="T-gone")
    await world.publish(synthesized(gone), Topic.ENHANCEMENTS_SYNTHESIZED, owner.partition)
    await world.work_off(Stage.ENRICH, owner)

    asked = ("replay", "--stage", "deliver", "--to", "enrich", "--tenant", owner.tenant_id, "--since", rfc(since))
    told = await world.command(*asked)
    assert "newest event in tickets.received" in told.out and "1 tickets have no event" in told.out
    assert "add: --yes --reason" in told.out
    done = (await world.command(*asked, *YES, "--json")).value

    assert (done["selected"], done["replayed"]) == (1, 1)
    (again,) = await world.replayed(owner)
    assert (again.replay_of, again.ticket.description) == (later.event_id, later.ticket.description)


@pytest.mark.parametrize("stage", [Stage.SYNTHESIZE, Stage.DELIVER])
async def test_again_is_said_to_the_later_stages_too(world: ReplayWorld, owner: Owner, stage: Stage) -> None:
    event = received(owner.tenant_id)
    made = enriched(event) if stage is Stage.SYNTHESIZE else synthesized(event)
    since = await a_moment()
    await world.publish(made, stage.consumes, owner.partition)
    await world.work_off(stage, owner)

    asked = ("replay", "--stage", stage.value, "--tenant", owner.tenant_id, "--since", rfc(since))
    done = (await world.command(*asked, *YES, "--again", "--json")).value

    original, again = await world.events(stage.consumes, owner.partition)
    assert (original.again, again.again) == (False, True)
    assert again.event_id == ids.of_replayed(made.event_id, done["run_id"])
    assert (again.ticket_id, again.input_id) == (made.ticket_id, made.input_id)


async def test_feedback_keeps_its_id_so_that_it_counts_once(world: ReplayWorld, owner: Owner) -> None:
    since = await a_moment()
    answers = [
        FeedbackSubmitted(ids.derive(str(number)), owner.tenant_id, "T-1", FeedbackType.THUMBS_UP, since)
        for number in range(2)
    ]
    for answer in answers:
        await world.publish(answer, Topic.FEEDBACK_SUBMITTED, owner.partition)
    await world.work_off(Stage.FEEDBACK_AGGREGATE, owner)
    await world.execute(
        """INSERT INTO feedback_aggregates (tenant_id, input_id, ticket_id, total, ratings, thumbs_up, thumbs_down,
           minutes_saved_total, minutes_saved_count, aggregated_at) VALUES ($1, $2, 'T-1', 1, 0, 1, 0, 0, 0, now())""",
        owner.tenant_id, answers[0].event_id,
    )  # fmt: skip

    asked = ("replay", "--stage", "feedback_aggregate", "--tenant", owner.tenant_id, "--since", rfc(since))
    done = (await world.command(*asked, *YES, "--json")).value

    assert (done["selected"], done["answered"], done["replayed"]) == (2, 1, 1)
    written = await world.events(Topic.FEEDBACK_SUBMITTED, owner.partition)
    assert [event.event_id for event in written] == [answers[0].event_id, answers[1].event_id, answers[1].event_id]


async def test_a_killed_run_goes_on_and_publishes_each_event_under_one_id(world: ReplayWorld, owner: Owner) -> None:
    since = await a_moment()
    events = await world.receive(owner, 300)
    await world.work_off(Stage.ENRICH, owner)
    asked = ("replay", "--stage", "enrich", "--tenant", owner.tenant_id, "--since", rfc(since), *YES, "--rate", "100/s")
    run_ids: set[str] = set()

    for resumed in range(3):
        words = asked if not resumed else ("replay", "--resume", next(iter(run_ids)))
        process = await world.begin(*words)
        before = len(await world.replayed(owner))

        async def further() -> bool:
            await world.work_off(Stage.ENRICH, owner)
            return len(await world.replayed(owner)) >= before + 40  # noqa: B023

        try:
            async with asyncio.timeout(30):
                while not await further():
                    await asyncio.sleep(0.1)
        finally:
            process.kill()
        await process.communicate()
        run_ids |= {str(row["run_id"]) for row in await world.rows(owner, "SELECT run_id FROM replay_runs")}
        assert len(run_ids) == 1

    (run_id,) = run_ids
    assert len(await world.replayed(owner)) < 300
    await world.work_off(Stage.ENRICH, owner)
    working = asyncio.create_task(_keep_working(world, owner))
    ended = (await world.command("replay", "--resume", run_id, "--json")).value
    working.cancel()

    published = await world.replayed(owner)
    assert {event.replay_of for event in published} == ids_of(events), "each at least once"
    assert ids_of(published) == {ids.of_replayed(event.event_id, run_id) for event in events}, "no ids beside"
    assert (ended["selected"], ended["run_id"]) == (300, run_id)
    operations = [operation for operation, *_ in await world.audit(owner)]
    assert operations == ["replay start", *["replay resume"] * 3, "replay end"]
    done = (await world.command("replay", "--resume", run_id, "--json")).value
    assert done["replayed"] == ended["replayed"] and len(await world.replayed(owner)) == len(published)


async def _keep_working(world: ReplayWorld, owner: Owner) -> None:
    while True:
        await world.work_off(Stage.ENRICH, owner)
        await asyncio.sleep(0.2)


async def test_it_stands_back_while_live_tickets_wait_and_ctrl_c_says_how_to_go_on(
    world: ReplayWorld, owner: Owner
) -> None:
    since = await a_moment()
    events = await world.receive(owner, 30)
    until = await a_moment()
    await world.work_off(Stage.ENRICH, owner)
    await world.receive(owner, 11)  # live, one more than may wait
    words = ("replay", "--stage", "enrich", "--tenant", owner.tenant_id, *window(since, until), *YES, *FAST)
    process = await world.begin(*words)
    assert process.stdout
    run_id = ""
    try:
        async with asyncio.timeout(30):
            while b"paused" not in (line := await process.stdout.readline()):
                assert line, (await process.communicate())[1].decode()
                if line.startswith(b"Run "):
                    run_id = line.decode().split()[1].rstrip(".")
        assert f"paused: {owner.tenant_id} has 11 waiting" in line.decode()
        assert await world.replayed(owner) == []

        process.send_signal(signal.SIGINT)
        out, _ = await asyncio.wait_for(process.communicate(), 20)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 130
    assert f"Go on with: ticketstream replay --resume {run_id}" in out.decode()
    assert await world.replayed(owner) == []

    await world.work_off(Stage.ENRICH, owner)
    assert (await world.command("replay", "--resume", run_id, "--json")).value["replayed"] == 30
    assert {event.replay_of for event in await world.replayed(owner)} == ids_of(events)


async def test_tenants_and_runs_that_are_not_there_are_wrong_use(world: ReplayWorld, owner: Owner) -> None:
    words = ("replay", "--stage", "enrich", "--tenant", f"{owner.tenant_id},no-such", "--since", "1h")
    ran = await world.command(*words)
    assert ran.code == 2 and "there is no tenant no-such: see: ticketstream tenant list" in ran.err
    ran = await world.command("replay", "--resume", "00000000-0000-0000-0000-000000000000")
    assert ran.code == 2 and "there is no run 0000" in ran.err


async def test_a_key_that_nobody_knows_is_refused_before_anything_is_written(world: ReplayWorld, owner: Owner) -> None:
    since = await a_moment()
    await world.receive(owner, 1)
    file = world.environment["TICKETSTREAM_REPLAY_SIGNING_KEY_FILE"] + ".other"
    SigningKey.create("replay").save(file)
    before = dict(world.environment)
    world.environment["TICKETSTREAM_REPLAY_SIGNING_KEY_FILE"] = file
    try:
        ran = await world.command(
            "replay", "--stage", "enrich", "--tenant", owner.tenant_id, "--since", rfc(since), *YES
        )
    finally:
        world.environment = before
    assert ran.code == 1 and "is not published" in ran.err and "ticketstream key create replay" in ran.err
    assert await world.replayed(owner) == [] and await world.audit(owner) == []


def enriched(event: Any) -> TicketEnriched:
    return TicketEnriched.following(event, context=(), missing=(), took_ms={}, at=event.received_at)


def synthesized(event: Any) -> EnhancementSynthesized:
    before = enriched(event)
    event_id, enhancement_id = EnhancementSynthesized.ids_for(before)
    return EnhancementSynthesized(
        event_id=event_id, input_id=before.event_id, tenant_id=event.tenant_id, ticket_id=event.ticket_id,
        enhancement_id=enhancement_id, text="## Steps", citations=(), writer=Writer.BUILTIN,
        content_hash=event.ticket.content_hash, received_at=event.received_at, enriched_at=event.received_at,
        synthesized_at=event.received_at, ticket_received_id=event.event_id,
    )  # fmt: skip
