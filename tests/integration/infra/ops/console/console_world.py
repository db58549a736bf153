"""The console in this process over planted tenants: what is hostile stands among what is plausible."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

import asyncpg
from aiohttp import ClientSession, web
from confluent_kafka import Producer

from infra.ops.bench.console_rows import Amounts, lag_object, plant, stored_answer
from infra.ops.cli.operators import operator_of
from infra.ops.cli.surroundings import Surroundings
from infra.ops.console.app import Site, console_app
from infra.ops.console.commands.runner import Commands as RealCommands
from infra.ops.console.pages.known import KNOWN
from infra.ops.console.sessions import Session, Sessions
from infra.ops.console.sign_in import SignIn
from infra.ops.console.visits import CommandResult, Rooms
from infra.ops.local.servicedesk_simulator import DeskSettings, Simulator, SimulatorControl
from infra.runtime.kafka.topics import ensure_topics
from infra.runtime.keys.rings import KeyRing, new_ring_key
from infra.runtime.postgres.pool import Pool, open_pool
from ingest.source_address import SourceAddresses
from schemas import ids
from schemas.events import DeadLetter, Header
from schemas.topics import Topic
from schemas.wire_format import Codec
from sinks.postgres.console_sessions import ConsoleSessions
from sinks.postgres.operator_tokens import Role
from tests.integration.operator_token import operator_token

PREFIX = "console-"
TENANTS = (
    "msp-acme-corp",
    "msp-harbor-it",
    "msp-nordwind",
    "msp-blue-lake",
    "msp-stone",
    *(f"msp-{n:02}" for n in range(6, 15)),
)
ACME, HELD = TENANTS[0], TENANTS[4]
ANSWERED, SUBJECT = "19998", "Printer on the 3rd floor prints blank pages"
DESK_KEY = "authtoken-of-acme"
EVIL = '<script>document.title="owned"</script><img src=x onerror=document.title="owned">\'">{{7*7}}'
EVIL_TICKET = "..evil_-4711"


class Database(Protocol):
    dsn: str
    dsns: dict[str, str]


class Commands:
    """Notes down what it is asked to run; what has no planned answer is really run."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, dict[str, Any], str]] = []
        self.answers: dict[str, Any] = {}
        self.real: RealCommands | None = None

    async def run(self, command: str, parameters: Mapping[str, Any], *, session: Session) -> CommandResult:
        self.ran.append((command, dict(parameters), session.operator.name))
        if command in self.answers:
            found: CommandResult = self.answers[command](parameters)
            return found
        assert self.real is not None
        return await self.real.run(command, parameters, session=session)


@dataclass
class ConsoleWorld:
    kafka: str
    database: Database
    commands: Commands = field(default_factory=Commands)
    lag: dict[str, Any] = field(default_factory=lambda: lag_object(TENANTS))
    url: str = ""
    engineer: str = ""
    support: str = ""
    """Of ACME and HELD only."""
    pool: Pool | None = None
    credentials: str = field(default_factory=lambda: new_ring_key("k1"))
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> None:
        await self._plant()
        await self._desk()
        await self._letters()
        self.engineer = await operator_token(self.database.dsns["operator"], "On-call engineer", Role.ENGINEER)
        self.support = await operator_token(self.database.dsns["operator"], "Sam <b>Ray</b>", Role.SUPPORT, ACME, HELD)
        lag_port = await self._stack.enter_async_context(_served(self._lag_app()))
        self.pool = await open_pool(self.database.dsns["console"], service="console", size=8)
        self._stack.push_async_callback(self.pool.close)
        app = self._console(f"http://127.0.0.1:{lag_port}")
        self.url = f"http://127.0.0.1:{await self._stack.enter_async_context(_served(app))}"
        await _until(lambda: app[KNOWN].letters.shelf.complete, "the dead letters are read")
        await _until(lambda: app[KNOWN].lag.history.newest is not None, "the lag is known")
        app[KNOWN].lag.history.samples.clear()
        for ago in range(120, 0, -1):  # so that the chart has something to draw
            app[KNOWN].lag.history.add(datetime.now(UTC) - timedelta(seconds=5 * ago), lag_object(TENANTS, ago // 9))

    async def stop(self) -> None:
        await self._stack.aclose()

    async def audited(self, tenant_id: str) -> list[tuple[str, str, str, str]]:
        """Who, operation, subject and reason of the tenant's entries, newest first."""
        connection = await asyncpg.connect(self.database.dsn)
        try:
            rows = await connection.fetch(
                "SELECT who, operation, subject, reason FROM audit_log WHERE tenant_id = $1 ORDER BY audit_id DESC",
                tenant_id,
            )
        finally:
            await connection.close()
        return [tuple(row) for row in rows]

    def _console(self, lag_url: str) -> web.Application:
        pool = self.pool
        assert pool is not None

        def there() -> Pool:
            return pool

        given = {
            "TICKETSTREAM_LAG_URL": lag_url,
            "TICKETSTREAM_LOCAL": "1",
            "TICKETSTREAM_TOPIC_PREFIX": PREFIX,
            "TICKETSTREAM_PUBLIC_URL": "https://edge.example",
            "TICKETSTREAM_CREDENTIAL_KEYS": self.credentials,
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka,
        }

        async def whose(token: str, command: str) -> Any:
            return await operator_of(there(), token, command=command, stranger="console")

        ring = KeyRing.parse(new_ring_key("k1"), variable="TICKETSTREAM_CONSOLE_KEYS")
        sessions = Sessions(ConsoleSessions(there, ring), SignIn(whose, SourceAddresses()), by_https=False)
        variables = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        ring_key = {"TICKETSTREAM_WEBHOOK_KEYS": new_ring_key("k1")}
        self.commands.real = RealCommands(
            {**variables, **given, **ring_key, "DATABASE_URL_OPERATOR": self.database.dsns["operator"]}
        )
        rooms = Rooms(Surroundings(Path("/nowhere"), given), there, self.commands)
        return console_app(Site(sessions, rooms, by_https=False))

    def _lag_app(self) -> web.Application:
        async def lag(_: web.Request) -> web.Response:
            return web.json_response(self.lag)

        app = web.Application()
        app.add_routes([web.get("/lag", lag)])
        return app

    async def _plant(self) -> None:
        connection, now = await asyncpg.connect(self.database.dsn), datetime.now(UTC)
        try:
            await plant(connection, TENANTS, Amounts(tickets=60, feedback=8, refusals=2, audited=20), now)
            await _plant_held(connection, now)
            await _plant_evil(connection, now)
        finally:
            await connection.close()

    async def _desk(self) -> None:
        """ACME's, which has the ticket that was answered last, with its note."""
        simulator = await self._stack.enter_async_context(Simulator())
        session = await self._stack.enter_async_context(ClientSession())
        control = SimulatorControl(simulator.url, session)
        base = await control.put_desk(ACME, DeskSettings(kind="onprem", key=DESK_KEY))
        await control.create_request(ACME, id=ANSWERED, subject=SUBJECT)
        note = {"input_data": json.dumps({"note": {"description": "An enhancement"}})}
        headers = {"authtoken": DESK_KEY, "Accept": "application/vnd.manageengine.sdp.v3+json"}
        async with session.post(f"{base}/api/v3/requests/{ANSWERED}/notes", data=note, headers=headers) as answer:
            assert answer.status in (200, 201), await answer.text()
            note_id = str((await answer.json())["note"]["id"])
        ring = KeyRing.parse(self.credentials, variable="TICKETSTREAM_CREDENTIAL_KEYS")
        stored = ring.encrypt(DESK_KEY.encode(), tenant_id=ACME, column="servicedesk_api_key")
        connection = await asyncpg.connect(self.database.dsn)
        try:
            await connection.execute(
                "UPDATE tenant_configs SET servicedesk_base_url = $2 WHERE tenant_id = $1", ACME, base
            )
            await connection.execute(
                "INSERT INTO servicedesk_credentials (tenant_id, credential, created_by) VALUES ($1, $2, 'tests')",
                ACME,
                stored,
            )
            await connection.execute(
                """WITH answered AS (UPDATE enhancements SET note_id = $3 WHERE tenant_id = $1 AND ticket_id = $2 RETURNING *)
                   INSERT INTO note_intents
                       (tenant_id, marker, ticket_id, content_hash, state, event_id, note_id, created_at, sent_at, done_at)
                   SELECT tenant_id, 'm', ticket_id, content_hash, 'done', event_id, note_id, received_at, posted_at, posted_at
                   FROM answered""",
                ACME, ANSWERED, note_id,
            )  # fmt: skip
        finally:
            await connection.close()

    async def _letters(self) -> None:
        await ensure_topics({"bootstrap.servers": self.kafka}, prefix=PREFIX, partitions=32, single_node=True)
        producer, codec = Producer({"bootstrap.servers": self.kafka}), Codec()
        for number, (tenant, ticket, reason, error) in enumerate(_LETTERS):
            letter = dead_letter(
                tenant, ticket, reason, error, minutes=90 if ticket == EVIL_TICKET else 3 + 11 * number
            )
            producer.produce(
                Topic.DEAD_LETTERS.named(PREFIX),
                codec.encode(letter),
                partition=TENANTS.index(tenant) if tenant else 31,
            )
        await asyncio.to_thread(producer.flush, 30)


_LETTERS = (
    (ACME, EVIL_TICKET, "internal_error", f"Traceback: {EVIL}"),
    (ACME, "19997", "note_refused", "ServiceDesk Plus answers 400: the request is closed"),
    (ACME, "19995", "too_long_held", "desk_unavailable for 24 h"),
    ("msp-nordwind", "20311", "internal_error", "ValueError: no such category"),
    (HELD, "20007", "note_refused", "ServiceDesk Plus answers 403: this technician may not add notes"),
    ("", "", "bad_signature", "the signature isn't that of a service"),
)


def dead_letter(tenant: str, ticket: str, reason: str, error: str, *, minutes: int) -> DeadLetter:
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=minutes)
    return DeadLetter(
        event_id=str(uuid4()),
        tenant_id=tenant,
        ticket_id=ticket,
        stage="deliver",
        reason=reason,
        error=error,
        attempts=5,
        first_failed_at=at - timedelta(minutes=2),
        last_failed_at=at,
        original_topic=Topic.ENHANCEMENTS_SYNTHESIZED.named(PREFIX),
        original_partition=0,
        original_offset=17,
        original_headers=(
            Header("ce_type", b"com.ticketstream.enhancement_synthesized.v1"),
            Header(EVIL, EVIL.encode()),
        ),
        original_key=tenant.encode(),
        original_value=None,
        original_sha256="0" * 64,
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    )


async def _plant_held(connection: Any, now: datetime) -> None:
    for number in range(3):
        await connection.execute(
            """INSERT INTO lane_holds (tenant_id, stage, topic, partition, record_offset, ticket_id, event_id, scope, reason,
               detail, until, first_failed_at, attempts)
               VALUES ($1, 'deliver', 't', 4, $2, $3, $4, 'lane', 'desk_unavailable', $5, $6, $7, 7)""",
            HELD,
            number,
            str(20_000 - number),
            str(uuid4()),
            f"connection refused {EVIL}",
            now + timedelta(minutes=2),
            now - timedelta(minutes=40 - number),
        )
    await connection.execute(
        "INSERT INTO lane_breakers (tenant_id, stage, state, failures, until) VALUES ($1, 'deliver', 'open', 7, $2)",
        HELD,
        now + timedelta(minutes=2),
    )


async def _plant_evil(connection: Any, now: datetime) -> None:
    """What anybody may write into a ticket, a comment, a reason, a contact or a refused webhook."""
    event_id = uuid4()
    input_id = ids.of_output(str(event_id), "enrich")
    enhancement = UUID(ids.derive(input_id, "enhancement"))
    await connection.execute(
        """INSERT INTO enhancements (tenant_id, ticket_id, content_hash, status, event_id, enhancement_id, received_at, posted_at,
           writer, error_message) VALUES ($1, $2, 'h', 'success', $3, $4, $5, $6, 'builtin', $7)""",
        ACME, EVIL_TICKET, event_id, enhancement, now - timedelta(minutes=9), now - timedelta(minutes=8), EVIL,
    )  # fmt: skip
    await connection.execute(
        """INSERT INTO tickets (tenant_id, ticket_id, subject, description, content_hash, record_offset)
           VALUES ($1, $2, $3, '', 'h2', 2)""",
        ACME, ANSWERED, SUBJECT,
    )  # fmt: skip
    await connection.execute(
        """INSERT INTO tickets (tenant_id, ticket_id, subject, description, content_hash, record_offset)
           VALUES ($1, $2, $3, '', 'h', 9)""",
        ACME, EVIL_TICKET, EVIL,
    )  # fmt: skip
    await connection.execute(
        """INSERT INTO received_events (tenant_id, event_id, ticket_id, kind, topic, partition, record_offset, body_hash,
           received_at, recorded_at) VALUES ($1, $2, $3, 'created', 't', 0, 9, 'h', $4, $4)""",
        ACME, event_id, EVIL_TICKET, now - timedelta(minutes=9),
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO synthesized_answers (tenant_id, input_id, answer, stored_by) VALUES ($1, $2, $3, 'test')",
        ACME, UUID(input_id), stored_answer(f"## Note\n{EVIL}", now),
    )  # fmt: skip
    await connection.execute(
        """INSERT INTO enhancement_feedback (tenant_id, feedback_id, ticket_id, enhancement_id, feedback_type, rating, comment,
           submitted_at) VALUES ($1, $2, $3, $4, 'rating', 1, $5, $6)""",
        ACME, uuid4(), EVIL_TICKET, enhancement, EVIL, now - timedelta(hours=3),
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO tenant_contacts (tenant_id, kind, name, email, phone) VALUES ($1, 'sdp_administrator', $2, $3, '+49 1')",
        ACME, EVIL[:100], "a@b.example",
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO webhook_refusals (tenant_id, at, status, reason, detail) VALUES ($1, $2, 422, 'schema', $3)",
        ACME,
        now,
        EVIL,
    )
    await connection.execute(
        "INSERT INTO audit_log (tenant_id, who, operation, subject, reason) VALUES ($1, $2, 'tenant set', $3, $4)",
        ACME, "Eve", EVIL, EVIL,
    )  # fmt: skip


@asynccontextmanager
async def _served(app: web.Application) -> Any:
    """Its port on 127.0.0.1."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _until(true: Any, what: str, seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.05)
