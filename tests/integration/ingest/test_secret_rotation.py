"""A webhook secret is exchanged under load: the operator's commands as processes, a real edge, Kafka and PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.ops.bench.rotation import NEW, OLD, Pace, RotatingDesk, rotate_under_load
from infra.ops.cli.webhook_request import new_webhook_id
from infra.runtime.keys.rings import new_ring_key
from infra.runtime.keys.signing import SigningKey
from infra.runtime.postgres.pool import open_pool
from ingest.secret_uses import WRITE_SECONDS
from sinks.postgres.service_keys import ServiceKeys
from tests.integration.ingest.edge import RunningEdge, Sender, start
from tests.integration.operator_token import operator_token

TENANT = "rotated-under-load"
PROGRAM = "import sys; from infra.ops.cli.main import run; sys.exit(run(sys.argv[1:]))"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@dataclass
class Site:
    """`made` is what `tenant create` printed."""

    environment: dict[str, str]
    edge: RunningEdge
    made: dict[str, Any]

    async def webhook(self, key: bytes) -> int:
        sender = Sender(TENANT, key.decode(), self.made["partition"])
        return (await self.edge.webhook(sender, new_webhook_id())).status

    async def command(self, *words: str) -> Any:
        return await command(self.environment, *words)


async def command(environment: dict[str, str], *words: str) -> Any:
    ran = await run(environment, *words, "--json")
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


async def run(environment: dict[str, str], *words: str) -> Ran:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, *words, env=environment,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return Ran(process.returncode or 0, out.decode(), err.decode())


@pytest.fixture
async def site(topics: str, postgres_server: Any, tmp_path: Path) -> AsyncIterator[Site]:
    postgres = await postgres_server.migrated("rotation")
    key = SigningKey.create("ingest")
    key.save(tmp_path / "ingest.pem")
    pool = await open_pool(postgres.dsns["operator"], service="operator", size=1)
    await ServiceKeys(pool).publish(key)
    await pool.close()
    (tmp_path / "desk.key").write_text("desk-key")
    rings = {f"TICKETSTREAM_{name}_KEYS": new_ring_key("k1") for name in ("WEBHOOK", "CREDENTIAL", "LINK")}
    common = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd()), "KAFKA_BOOTSTRAP_SERVERS": topics}
    operator = common | rings | {
        "DATABASE_URL_OPERATOR": postgres.dsns["operator"],
        "TICKETSTREAM_OPERATOR_TOKEN": await operator_token(postgres.dsns["operator"], "Test Engineer"),
        "TICKETSTREAM_PUBLIC_URL": "https://tickets.example.com",
        "TICKETSTREAM_STATE_DIR": str(tmp_path / "no-stack"),
    }  # fmt: skip
    ingest = common | rings | {
        "DATABASE_URL_INGEST": postgres.dsns["ingest"],
        "TICKETSTREAM_SIGNING_KEY_FILE": str(tmp_path / "ingest.pem"),
        "TICKETSTREAM_INGEST_PORT": "0",
        "TICKETSTREAM_LOCAL": "1",
        "TICKETSTREAM_LOG_LEVEL": "ERROR",
    }  # fmt: skip
    del ingest["TICKETSTREAM_CREDENTIAL_KEYS"]
    made = await command(
        operator, "tenant", "create", TENANT, "--servicedesk-url", "https://desk.example", "--servicedesk-key-file",
        str(tmp_path / "desk.key"), "--set", "webhook_rate_per_second=1000", "--set", "webhook_burst=10000",
    )  # fmt: skip
    edge = await start(ingest, tmp_path / "ports.json")
    yield Site(operator, edge, made)
    await edge.stop()


async def test_no_webhook_is_refused_while_a_secret_is_exchanged_under_load(site: Site) -> None:
    first = site.made["webhook_key"].encode()

    async def rotate() -> bytes:
        rotated = await site.command("tenant", "rotate-secret", TENANT, "--reason", "TS-1")
        assert rotated["old"]["valid_until"]
        return str(rotated["webhook_key"]).encode()

    async def end_old() -> None:
        shown = await in_use(site, "both", "new")
        assert all(secret["uses"] > 0 for secret in shown["webhook_secrets"])
        third = await run(site.environment, "tenant", "rotate-secret", TENANT)
        assert (third.code, "--end-old" in third.err) == (1, True), "two are valid at most"
        ended = await site.command("tenant", "rotate-secret", TENANT, "--end-old", "--yes")
        assert ended["old"]["last_used_at"]

    desk = RotatingDesk(site.webhook, first)
    second = await rotate_under_load(desk, rotate, end_old, Pace(before=1, both=3, after=3))

    assert desk.refused == {}
    assert desk.accepted(OLD) > 50
    assert desk.accepted(NEW) > 50
    assert await site.webhook(first) == 403, "the old one has ended, within 5 s"
    assert await site.webhook(second) == 202
    shown = await site.command("tenant", "show", TENANT)
    assert len(shown["webhook_secrets"]) == 1
    assert (first.decode() not in str(shown)) and (second.decode() not in str(shown))


async def in_use(site: Site, *wanted: str) -> Any:
    """What `tenant show` tells once the desk uses one of these; uses are noted every 5 s."""
    deadline = time.monotonic() + 4 * WRITE_SECONDS
    while (shown := await site.command("tenant", "show", TENANT))["webhook_secret_in_use"] not in wanted:
        assert time.monotonic() < deadline, shown
    return shown
