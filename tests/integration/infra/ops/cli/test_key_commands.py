"""`key rotate --ring` as a process, killed in the middle and run again; and who signs after `key rotate SERVICE`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from infra.runtime.keys.rings import KeyRing, new_ring_key
from infra.runtime.postgres.pool import Pool, open_pool
from infra.runtime.postgres.tenant import tenant_transaction
from sinks.postgres.credentials import DeskCredentials
from sinks.postgres.encrypted_columns import AT_ONCE, EncryptedValues, columns_of
from sinks.postgres.tenants import Change, NewTenant, TenantStore
from sinks.postgres.webhook_secrets import COLUMN, WebhookSecrets
from tests.integration.operator_token import operator_token

PROGRAM = "import sys; from infra.ops.cli.main import run; sys.exit(run(sys.argv[1:]))"
TENANTS = ("ring-a", "ring-b", "ring-c")
MANY = 25 * AT_ONCE


@dataclass(frozen=True)
class World:
    """Three tenants, the middle one with thousands of values, all encrypted with `old`."""

    pool: Pool
    environment: dict[str, str]
    old: str

    def with_ring(self, *keys: str) -> World:
        return replace(self, environment=self.environment | {"TICKETSTREAM_WEBHOOK_KEYS": ",".join(keys)})

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, *words, env=self.environment, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def __call__(self, *words: str) -> tuple[int, Any]:
        process = await self.start(*words, "--json")
        out, err = await asyncio.wait_for(process.communicate(), 90)
        assert b"Traceback" not in err, err.decode()
        assert process.returncode in (0, 1), err.decode()
        return process.returncode, json.loads(out) if out else err.decode()

    async def with_key(self, key_id: str) -> int:
        """How many values have this key."""
        values = EncryptedValues(self.pool, columns_of("webhook_keys"))
        counts = [await values.by_key(tenant_id) for tenant_id in TENANTS]
        return sum(number for count in counts for (_, found), number in count.items() if found == key_id)


@pytest.fixture
async def world(postgres_server: Any, tmp_path: Path) -> AsyncIterator[World]:
    postgres = await postgres_server.migrated("key_rings")
    pool = await open_pool(postgres.dsns["operator"], service="operator", size=2)
    old = new_ring_key("k1")
    ring = KeyRing.parse(old, variable="TEST")
    for tenant_id in TENANTS:
        await TenantStore(pool).create(
            NewTenant(tenant_id, "https://desk.example", "key"), partitions=64, secrets=WebhookSecrets(pool, ring),
            credentials=DeskCredentials(pool, ring), change=Change("test"),
        )  # fmt: skip
    async with tenant_transaction(pool, TENANTS[1]) as connected:
        await connected.executemany(
            """INSERT INTO webhook_secrets (tenant_id, secret, valid_from, valid_until, created_by)
               VALUES ($1, $2, now() - interval '2 days', now() - interval '1 day', 'test')""",
            [(TENANTS[1], ring.encrypt(b"x" * 43, tenant_id=TENANTS[1], column=COLUMN)) for _ in range(MANY)],
        )
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path.cwd()),
        "DATABASE_URL_OPERATOR": postgres.dsns["operator"],
        "TICKETSTREAM_OPERATOR_TOKEN": await operator_token(postgres.dsns["operator"], "Test Engineer"),
        "TICKETSTREAM_PUBLIC_URL": "https://tickets.example.com",
        "TICKETSTREAM_STATE_DIR": str(tmp_path),
    }
    yield World(pool, environment, old)
    await pool.close()


async def test_a_rotation_killed_in_the_middle_goes_on_and_says_which_key_is_free(world: World) -> None:
    new = new_ring_key("k2")
    both = world.with_ring(new, world.old)
    code, counted = await both("key", "rotate", "--ring", "webhook_keys", "--check")
    assert (code, counted["by_key"], counted["removable"], counted["moved"]) == (0, {"k2": 0, "k1": MANY + 3}, [], 0)

    process = await both.start("key", "rotate", "--ring", "webhook_keys")
    deadline = time.monotonic() + 60
    while not (moved := await world.with_key("k2")):
        assert time.monotonic() < deadline
    process.kill()
    await process.wait()
    assert 0 < moved < MANY, "it was killed in the middle"

    code, report = await both("key", "rotate", "--ring", "webhook_keys", "--reason", "TS-2")

    assert (code, report["by_key"], report["removable"]) == (0, {"k2": MANY + 3, "k1": 0}, ["k1"])
    assert 0 < report["moved"] <= MANY + 3 - moved
    code, again = await both("key", "rotate", "--ring", "webhook_keys")
    assert (code, again["moved"]) == (0, 0)
    code, alone = await world.with_ring(new)("tenant", "show", TENANTS[1])
    assert code == 0
    assert alone["webhook_secrets"][0]["fingerprint"]

    lacking = world.with_ring(new_ring_key("k3"))
    code, lost = await lacking("key", "rotate", "--ring", "webhook_keys", "--check")
    assert (code, lost["missing"]) == (1, ["k2"])
