"""`bench ingest`: signed webhooks, acknowledged by a real Kafka (acks=all), beside an aiohttp handler that only reads the body.

One edge process, tracing off, 64 connections, bodies of about 1.2 kB from 16 tenants, each webhook signed by itself beforehand.
The edge runs on uvloop; the handler that it is held against runs once on uvloop, too, and once on asyncio's own loop, which is what
aiohttp gives whoever doesn't ask for another. They take turns, so that what else the machine does falls on all alike; the medians
of the rounds are compared.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from infra.ops.bench.figures import Bench, cpu_seconds
from infra.ops.bench.load import LoadResult, http_request, run_load
from infra.ops.cli.webhook_request import headers
from infra.ops.local.stack.database import OPERATOR, service_dsns
from infra.ops.local.stack.options import StackOptions, WantedPorts
from infra.ops.local.stack.secrets import LocalSecrets
from infra.ops.local.stack.service import ServiceSpec
from infra.ops.local.stack.services import INGEST, Site, service_groups
from infra.ops.local.stack.stack import LocalStack
from infra.runtime.keys.rings import KeyRing
from infra.runtime.postgres.pool import open_pool
from sinks.postgres.credentials import DeskCredentials
from sinks.postgres.tenants import Change, NewTenant, TenantStore
from sinks.postgres.webhook_secrets import WebhookSecrets

TENANTS = 16
CONNECTIONS = 64
NOOPS = {"noop": "uvloop", "noop_asyncio": "asyncio"}
ROUNDS = 7
REQUESTS = 12_000
WARM_UP = 2_000
TENANT_SEEN_SECONDS = 10.0
DESCRIPTION = (
    "Since this morning the label printer in the cold store prints half of each label. We have changed the roll and restarted it "
    "twice. The queue on the print server shows no errors, the address is 10.20.30.41. Two shifts are waiting, please have a look. "
)


@dataclass(frozen=True, slots=True)
class Round:
    load: LoadResult
    cpu_us: float
    busy: float

    @property
    def said(self) -> str:
        return f"{self.load.per_second:.0f}/s, {self.cpu_us:.0f} µs CPU, p99 {self.load.percentile(0.99):.1f} ms"


async def bench_ingest(tell: Callable[[str], None], *, rounds: int = ROUNDS, requests: int = REQUESTS) -> Bench:
    """Raises RuntimeError when a webhook is not accepted: a figure for refusals would mean nothing."""
    with tempfile.TemporaryDirectory(prefix="ticketstream-bench-") as folder:
        options = StackOptions(state_dir=Path(folder), ports=WantedPorts.any_free())
        async with LocalStack(options, tell=tell, groups=_edge_only) as stack:
            keys = await _tenants(stack)
            ingest = urlsplit(stack.endpoints.ingest or "")
            edge_pid = stack.supervisor.status(INGEST).pid
            async with AsyncExitStack() as running:
                servers = {"edge": (edge_pid or 0, ingest.port or 0)}
                for name, loop in NOOPS.items():
                    servers[name] = await running.enter_async_context(_noop(loop))
                await _until_known(ingest.port or 0, keys)
                results: dict[str, list[Round]] = {name: [] for name in servers}
                for number in range(rounds + 1):
                    for name, (pid, port) in servers.items():
                        result = await _round(pid, port, _webhooks(keys, requests if number else WARM_UP))
                        if number:
                            results[name].append(result)
                            tell(f"{name}: {result.said}")
    return _compare(results)


def _edge_only(site: Site) -> list[list[ServiceSpec]]:
    return [service_groups(site)[-1]]


async def _tenants(stack: LocalStack) -> dict[str, bytes]:
    """The HMAC key of each of the tenants, which are made with rates that the load can't reach."""
    own = LocalSecrets(stack.state_dir / "secrets")
    dsn = service_dsns(stack.foundations.database, own, stack.options.environment)[OPERATOR]
    pool = await open_pool(dsn, service=OPERATOR, size=1)
    try:
        store = TenantStore(pool)
        webhook = WebhookSecrets(pool, KeyRing.parse(own.key_ring("webhook_keys"), variable="webhook_keys"))
        desk = DeskCredentials(pool, KeyRing.parse(own.key_ring("credential_keys"), variable="credential_keys"))
        keys = {}
        for number in range(TENANTS):
            limits = {"webhook_rate_per_second": 1000, "webhook_burst": 10_000}
            new = NewTenant(f"bench-{number}", "http://127.0.0.1:9", "unused", settings=limits)
            _, secret = await store.create(
                new, partitions=64, secrets=webhook, credentials=desk, change=Change("bench")
            )
            keys[new.tenant_id] = secret.raw.encode()
        return keys
    finally:
        await pool.close()


async def _until_known(port: int, keys: dict[str, bytes]) -> None:
    """The edge follows new tenants within seconds."""
    deadline = asyncio.get_running_loop().time() + TENANT_SEEN_SECONDS
    while True:
        result = await run_load("127.0.0.1", port, _webhooks(keys, TENANTS), 1)
        if set(result.statuses) == {202}:
            return
        if asyncio.get_running_loop().time() > deadline:
            raise RuntimeError(f"the edge answers {dict(result.statuses)} to good webhooks")
        await asyncio.sleep(0.2)


def _webhooks(keys: dict[str, bytes], count: int) -> list[bytes]:
    """Each a ticket of its own, signed now: signatures are good for five minutes."""
    tenants = list(keys)
    return [_webhook(tenants[number % len(tenants)], keys) for number in range(count)]


def _webhook(tenant: str, keys: dict[str, bytes]) -> bytes:
    ticket_id = secrets.token_hex(6)
    request = {
        "id": ticket_id,
        "subject": "Labels are cut in half",
        "description": DESCRIPTION * 3,
        "requester": {"id": "71", "name": "Cold Store", "email_id": "cold.store@customer.example"},
        "site": {"name": "Harbour"},
        "account": {"name": "Customer"},
        "category": {"name": "Printers"},
        "priority": {"name": "High"},
        "status": {"name": "Open"},
        "created_time": {"value": "1767600000000"},
    }
    body = json.dumps({"request": request, "operation": "created"}).encode()
    signed = headers(keys[tenant], f"msg_{ticket_id}", body)
    return http_request(
        f"/api/v1/webhooks/{tenant}", body, {name: value for name, value in signed.items() if name != "Content-Type"}
    )


@asynccontextmanager
async def _noop(loop: str) -> AsyncIterator[tuple[int, int]]:
    """Process id and port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.ops.bench.noop_server", loop, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None  # noqa: S101 — asked for above
    try:
        yield process.pid, int(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()


async def _round(pid: int, port: int, requests: list[bytes]) -> Round:
    before = cpu_seconds(pid)
    load = await run_load("127.0.0.1", port, requests, CONNECTIONS)
    used = cpu_seconds(pid) - before
    if set(load.statuses) != {202}:
        raise RuntimeError(f"not all were accepted: {dict(load.statuses)}")
    return Round(load, 1e6 * used / len(requests), used / load.seconds)


def _compare(results: dict[str, list[Round]]) -> Bench:
    bench = Bench(
        "ingest",
        compared={
            "edge": "webhooks accepted and acknowledged by Kafka",
            "noop": "aiohttp handler that reads the body, on uvloop as the edge",
            "noop_asyncio": "the same on asyncio's own loop",
        },
    )
    for name, rounds in results.items():
        bench.figures[f"{name}_requests_per_second"] = round(statistics.median(r.load.per_second for r in rounds))
        bench.figures[f"{name}_cpu_us_per_request"] = round(statistics.median(r.cpu_us for r in rounds))
        bench.figures[f"{name}_p50_ms"] = round(statistics.median(r.load.percentile(0.5) for r in rounds), 2)
        bench.figures[f"{name}_p99_ms"] = round(statistics.median(r.load.percentile(0.99) for r in rounds), 2)
        bench.figures[f"{name}_cores_used"] = round(statistics.median(r.busy for r in rounds), 2)
    for noop in NOOPS:
        for what in ("requests_per_second", "cpu_us_per_request", "p99_ms"):
            name = what if noop == "noop" else f"{what}_{noop}"
            bench.ratios[name] = round(bench.figures[f"edge_{what}"] / bench.figures[f"{noop}_{what}"], 3)
    return bench
