"""Everything that a run needs, real and its own: servers, proxies before them, processes, tenants with desks, a sender."""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from infra.ops.cli.surroundings import Surroundings
from infra.ops.cli.tenancy import create_tenant
from infra.ops.cli.webhook_request import headers, key_of, send
from infra.ops.local.free_ports import LOOPBACK, free_ports
from infra.ops.local.http_server import ControlError
from infra.ops.local.kafka import KafkaBroker
from infra.ops.local.model_server import ModelControl
from infra.ops.local.postgres import EmbeddedPostgres, PostgresFailed
from infra.ops.local.servicedesk_simulator import DeskFault, DeskSettings, SimulatorControl
from infra.ops.local.servicedesk_simulator.settings import WebhookTarget
from infra.ops.local.stack.database import DATABASE, prepare_database, publish_keys, service_dsns, signing_key_files
from infra.ops.local.stack.secrets import LocalSecrets
from infra.ops.local.stack.service import ServiceSpec
from infra.ops.local.stack.services import ALL_RINGS, Site, environment
from infra.runtime.kafka.topics import ensure_topics
from infra.runtime.postgres.pool import Pool, open_pool
from sinks.postgres.tenant_directory import POLL_SECONDS
from sinks.postgres.tenants import Change, NewTenant
from tests.chaos.plan import Plan
from tests.chaos.processes import Fleet, Member
from tests.chaos.proxy import TcpProxy, to_port, to_socket
from tests.chaos.sender import Sender
from tests.chaos.sender import Site as SenderSite
from tests.chaos.tickets import tenant_ids
from tests.integration.own_chain import inherited

WHO = "chaos"
ROOT = Path(__file__).parents[2]
PARTITIONS = 32
MAX_CONNECTIONS = 200
"""16 workers with 8 connections each while the stages are scaled out, and the edges'."""
KNOWN_SECONDS = 30.0
STOP_SECONDS = {"synthesize": 45.0}


class World:
    """For use as `async with`, on the main thread's event loop. What it leaves in `folder` is evidence."""

    fleet: Fleet
    model: ModelControl
    desks: SimulatorControl
    sender: Sender

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.secrets: dict[str, str] = {}
        self.excuses: list[float] = []
        self._opened = AsyncExitStack()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._proxies: dict[str, list[TcpProxy]] = {}
        self._desk_port, self._model_port, *self._edge_ports = free_ports(2 + plan.replicas)

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._opened.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    def alone(self, resource: str) -> asyncio.Lock:
        """Held by a fault that must not meet another of its kind: a broker can't be killed while it is frozen."""
        return self._locks[resource]

    def proxies_to(self, name: str) -> list[TcpProxy]:
        """Those on the way to `kafka`, `postgres`, `desk`, `model`, or to each edge: `ingest`."""
        return self._proxies[name]

    async def start_postgres(self) -> None:
        """Children of a server that was killed need a moment to notice."""
        for _ in range(20):
            try:
                await self.postgres.start()
            except PostgresFailed:
                await asyncio.sleep(0.5)
            else:
                return
        raise PostgresFailed("PostgreSQL did not start again")

    async def insist_on_desk(self, desk: str, fault: DeskFault) -> None:
        """Sets a fault, also while the desks' server is just being started again."""
        for _ in range(50):
            try:
                await self.desks.set_faults(desk, fault)
            except (aiohttp.ClientError, ControlError, TimeoutError):
                await asyncio.sleep(0.2)
            else:
                return

    async def add(self, service: str, number: int) -> Member:
        """One more process of a service."""
        return await self.fleet.add(service, self._spec(service, number))

    # setting up

    async def _start(self) -> None:
        self.session = await self._opened.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=300))
        )
        for name, count in {"kafka": 1, "postgres": 1, "desk": 1, "model": 1, "ingest": self.plan.replicas}.items():
            self._proxies[name] = [await self._proxy() for _ in range(count)]
        await asyncio.gather(self._start_kafka(), self._start_database())
        await self._start_stand_ins()
        self._site = self._where()
        pool = await self._operator()
        try:
            await publish_keys(pool, signing_key_files(self._site.secrets))
            await self._make_tenants(pool)
        finally:
            await pool.close()
        await self._start_chain()

    async def _proxy(self) -> TcpProxy:
        proxy = TcpProxy()
        await proxy.start()
        self._opened.push_async_callback(proxy.stop)
        return proxy

    async def _start_kafka(self) -> None:
        [proxy] = self._proxies["kafka"]
        self.broker = KafkaBroker(self.folder / "kafka", advertised_port=proxy.port)
        self._opened.push_async_callback(self.broker.stop)
        await self.broker.start()
        proxy.lead(to_port(self.broker.port))
        await ensure_topics(self.kafka_client(), prefix="", partitions=PARTITIONS, single_node=True)

    def kafka_client(self) -> dict[str, Any]:
        return {"bootstrap.servers": f"{LOOPBACK}:{self._proxies['kafka'][0].port}"}

    async def _start_database(self) -> None:
        self.postgres = EmbeddedPostgres(self.folder / "postgres", max_connections=MAX_CONNECTIONS)
        self._opened.push_async_callback(self.postgres.stop)
        await self.postgres.start()
        await self.postgres.ensure_database(DATABASE)
        self._proxies["postgres"][0].lead(to_socket(self.postgres.socket))
        await prepare_database(self.postgres.dsn(database=DATABASE), self._secrets(), {})

    def _secrets(self) -> LocalSecrets:
        (self.folder / "secrets").mkdir(parents=True, exist_ok=True)
        return LocalSecrets(self.folder / "secrets")

    async def _start_stand_ins(self) -> None:
        """The desks' and the model's servers, processes too."""
        self.fleet = Fleet(self.folder / "logs", self.session)
        self._opened.push_async_callback(self.fleet.stop)
        (self.folder / "run").mkdir(exist_ok=True)
        stand_ins = {
            "desk": ("servicedesk_simulator", self._desk_port, "/_simulator/health", ("--state-dir", str(self.folder / "desks"))),
            "model": ("model_server", self._model_port, "/_model/health", ("--journal", str(self.folder / "model.jsonl"))),
        }  # fmt: skip
        for name, (module, port, health, options) in stand_ins.items():
            command = (sys.executable, "-m", f"infra.ops.local.{module}", "--port", str(port), *options)
            url = f"http://{LOOPBACK}:{port}"
            spec = ServiceSpec(name, command, self._inherited(), health_url=f"{url}{health}", stop_seconds=5.0)
            member = await self.fleet.add(name, spec)
            self._proxies[name][0].lead(to_port(port))
            await self._must_be_ready(member)
        self.desks = SimulatorControl(f"http://{LOOPBACK}:{self._desk_port}", self.session)
        self.model = ModelControl(f"http://{LOOPBACK}:{self._model_port}", self.session)

    def _inherited(self) -> dict[str, str]:
        return inherited() | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}

    def _where(self) -> Site:
        proxied = f"postgresql://nobody:x@{LOOPBACK}:{self._proxies['postgres'][0].port}/{DATABASE}?sslmode=disable"
        secrets = self._secrets()
        model = {
            "OPENROUTER_API_KEY": "for-the-local-model",
            "TICKETSTREAM_MODEL_API_BASE": f"{self._proxies['model'][0].url}/v1",
            "TICKETSTREAM_PUBLIC_URL": self._proxies["ingest"][0].url,
        }
        return Site(
            state_dir=self.folder,
            inherited=self._inherited() | model,
            kafka=str(self.kafka_client()["bootstrap.servers"]),
            databases=service_dsns(proxied, secrets, {}),
            secrets=secrets,
            ingest_port=self._edge_ports[0],
            servicedesk_port=self._desk_port,
        )

    async def _operator(self) -> Pool:
        """Past the proxy: what sets up is not part of the experiment."""
        dsn = service_dsns(self.postgres.dsn(database=DATABASE), self._site.secrets, {})["operator"]
        return await open_pool(dsn, service="operator", size=2)

    async def _make_tenants(self, pool: Pool) -> None:
        """Every other one with the model, every fourth with a desk that tells us of our own notes."""
        rings = {f"TICKETSTREAM_{name.upper()}": self._site.ring(name) for name in ALL_RINGS}
        variables = {"KAFKA_BOOTSTRAP_SERVERS": self._site.kafka, "TICKETSTREAM_LOCAL": "1", **rings}
        around = Surroundings(self.folder, variables | {"TICKETSTREAM_PUBLIC_URL": self._site.public_url})
        for number, tenant_id in enumerate(tenant_ids(self.plan.tenants)):
            key = f"authtoken-of-{tenant_id}"
            await self.desks.put_desk(tenant_id, DeskSettings(key=key))
            base = f"{self._proxies['desk'][0].url}/{tenant_id}"
            settings = {"external_model": True, "enhancement_timeout_seconds": 30} if number % 2 else {}
            new = NewTenant(tenant_id, base, key, settings=settings)
            created = await create_tenant(around, pool, new, Change(WHO, "chaos", agreed_by=WHO))
            self.secrets[tenant_id] = created.secret.whsec
            if number % 4 == 0:
                target = WebhookTarget(url=created.webhook_url, secret=created.secret.whsec, causes=("note_added",))
                await self.desks.put_desk(tenant_id, DeskSettings(key=key, webhook=target))

    async def _start_chain(self) -> None:
        for number, proxy in enumerate(self._proxies["ingest"]):
            proxy.lead(to_port(self._edge_ports[number]))
        numbers = range(1, self.plan.replicas + 1)
        members = [await self.add(service, number) for service in self.plan.modules for number in numbers]
        for member in members:
            await self._must_be_ready(member)
        edges = [proxy.url for proxy in self._proxies["ingest"]]
        self.sender = Sender(self.plan, SenderSite(edges, self.desks, self.secrets, self.session))
        await self._known_everywhere(edges)

    def _spec(self, service: str, number: int) -> ServiceSpec:
        name = f"{service}-{number}"
        site = self._site
        if service == "ingest":
            site = replace(site, ingest_port=self._edge_ports[number - 1])
        ports_file = self.folder / "run" / f"{name}.ports.json"
        own = environment(site, service) | {"TICKETSTREAM_PORTS_FILE": str(ports_file)}
        command = (sys.executable, "-m", self.plan.modules[service])
        return ServiceSpec(name, command, own, ports_file=ports_file, stop_seconds=STOP_SECONDS.get(service, 15.0))

    async def _must_be_ready(self, member: Member) -> None:
        if not await self.fleet.ready(member):
            raise RuntimeError(f"{member.name} is not ready:\n{member.supervisor.log(member.name).tail()}")

    async def _known_everywhere(self, edges: list[str]) -> None:
        """Until each edge takes each tenant's signature; the stages look for tenants as often."""
        await asyncio.sleep(POLL_SECONDS)
        async with asyncio.timeout(KNOWN_SECONDS):
            for edge in edges:
                for tenant_id, secret in self.secrets.items():
                    url = f"{edge}/api/v1/webhooks/{tenant_id}"
                    while (await send(self.session, url, b"{}", headers(key_of(secret), "probe", b"{}"))).status != 422:
                        await asyncio.sleep(0.2)
