"""The local stack on real Kafka and PostgreSQL, with small services in place of the platform's."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import stat
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import aiohttp
import asyncpg
import orjson
import pytest

from infra.ops.local.free_ports import LOOPBACK, free_ports
from infra.ops.local.postgres import EmbeddedPostgres
from infra.ops.local.stack import (
    LocalStack,
    NoStack,
    StackFailed,
    StackOptions,
    StateDirInUse,
    WantedPorts,
    WrongSetting,
    operator_environment,
    read_endpoints,
)
from infra.ops.local.stack.database import DATABASE, service_dsns
from infra.ops.local.stack.secrets import LocalSecrets
from infra.ops.local.stack.service import ServiceSpec
from infra.ops.local.stack.services import Site, environment, service_groups
from infra.runtime.kafka.topics import check_partition_counts
from schemas.topics import Stage
from sinks.postgres.migrate import migrate

TINY_SERVICE = """
import http.server, json, os, pathlib
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(json.dumps(dict(os.environ)).encode())
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
url = f"http://127.0.0.1:{server.server_port}"
path = pathlib.Path(os.environ["TICKETSTREAM_PORTS_FILE"])
part = path.with_suffix(".part")
part.write_text(json.dumps({"public": url if path.name.startswith("ingest") else None, "internal": url}))
part.replace(path)
server.serve_forever()
"""


def tiny(spec: ServiceSpec) -> ServiceSpec:
    """The same service with its own environment, but a program that only tells it."""
    return replace(spec, command=(sys.executable, "-c", TINY_SERVICE)) if spec.ports_file else spec


def tiny_groups(site: Site) -> list[list[ServiceSpec]]:
    return [[tiny(spec) for spec in group] for group in service_groups(site)]


async def until(holds: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never became true"
        await asyncio.sleep(0.05)


def clean_environment() -> dict[str, str]:
    own = ("TICKETSTREAM_", "KAFKA_", "DATABASE_URL", "OPENROUTER_")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


@pytest.fixture
def state_dir() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ts-stack-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def fresh_database() -> AsyncIterator[str]:
    """The migrator's DSN of a PostgreSQL that nobody has used yet."""
    folder = Path(tempfile.mkdtemp(prefix="ts-pg-"))
    server = EmbeddedPostgres(folder)
    await server.start()
    await server.ensure_database(DATABASE)
    yield server.dsn(database=DATABASE)
    await server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
async def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
async def stack(kafka: str, told: list[str]) -> AsyncIterator[LocalStack]:
    """`kafka` only so that a missing tool skips here, too: this one has its own."""
    folder = Path(tempfile.mkdtemp(prefix="ts-stack-"))
    surroundings = {**clean_environment(), "OPENROUTER_API_KEY": "for-the-model", "TICKETSTREAM_LOG_LEVEL": "WARNING"}
    options = StackOptions(folder, WantedPorts.any_free(), partitions=2, environment=surroundings)
    stack = LocalStack(options, tell=told.append, groups=tiny_groups)
    await stack.start()
    yield stack
    await stack.stop()
    shutil.rmtree(folder, ignore_errors=True)


def servers_of(stack: LocalStack) -> dict[str, str]:
    """The variables that name this stack's servers."""
    return {"KAFKA_BOOTSTRAP_SERVERS": str(stack.endpoints.kafka), "DATABASE_URL": str(stack.endpoints.postgres)}


def dsns_of(stack: LocalStack) -> dict[str, str]:
    """The variables that name this stack's database for each service."""
    found = service_dsns(str(stack.endpoints.postgres), LocalSecrets(stack.state_dir / "secrets"), {})
    return {f"DATABASE_URL_{service.upper()}": dsn for service, dsn in found.items()}


async def surroundings_of(stack: LocalStack, service: str) -> dict[str, str]:
    async with aiohttp.ClientSession() as http, http.get(stack.endpoints.internal[service]) as answer:
        found: dict[str, str] = await answer.json(content_type=None)
        return found


async def test_endpoints_are_written_as_the_contract_says(stack: LocalStack) -> None:
    written = orjson.loads((stack.state_dir / "endpoints.json").read_bytes())

    assert set(written) == {
        "ingest",
        "console",
        "lag",
        "registry",
        "kafka",
        "postgres",
        "servicedesk",
        "prometheus",
        "alertmanager",
        "internal",
    }
    assert set(written["internal"]) == {
        "ingest",
        "reconcile",
        "sealer",
        "lag",
        "console",
        *(stage.value for stage in Stage),
    }
    assert written["registry"] == written["internal"]["ingest"] + "/registry"
    assert read_endpoints(stack.state_dir) == stack.endpoints


async def test_the_topics_are_there(stack: LocalStack) -> None:
    assert await check_partition_counts({"bootstrap.servers": stack.endpoints.kafka}, "") == 2


async def test_every_service_gets_its_own_role_and_only_its_own_secrets(stack: LocalStack) -> None:
    for service in ("ingest", "reconcile", "sealer", *(stage.value for stage in Stage)):
        got = await surroundings_of(stack, service)
        assert [name for name in got if name.startswith("DATABASE_URL")] == [f"DATABASE_URL_{service.upper()}"]
        connection = await asyncpg.connect(got[f"DATABASE_URL_{service.upper()}"])
        assert await connection.fetchval("SELECT session_user") == f"ticketstream_{service}"
        assert not await connection.fetchval(
            "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = session_user"
        )
        await connection.close()
        assert Path(got["TICKETSTREAM_SIGNING_KEY_FILE"]).name == f"{service}.pem"
        rings = {name for name in got if name.endswith("_KEYS")}
        assert rings == {
            "ingest": {"TICKETSTREAM_WEBHOOK_KEYS", "TICKETSTREAM_LINK_KEYS"},
            "deliver": {"TICKETSTREAM_CREDENTIAL_KEYS", "TICKETSTREAM_LINK_KEYS"},
            "reconcile": {"TICKETSTREAM_CREDENTIAL_KEYS"},
            "enrich": {"TICKETSTREAM_CREDENTIAL_KEYS"},  # the database gives it those of tenants in bearer mode only
        }.get(service, set())
        assert ("OPENROUTER_API_KEY" in got) == (service == "synthesize")
        assert (got["TICKETSTREAM_LOCAL"], got["TICKETSTREAM_LOG_LEVEL"]) == ("1", "WARNING")


async def test_secrets_and_addresses_are_for_their_owner_only(stack: LocalStack) -> None:
    files = [path for path in (stack.state_dir / "secrets").rglob("*") if path.is_file()]
    files.append(stack.state_dir / "endpoints.json")

    assert len(files) > 10
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((stack.state_dir / "secrets").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["kafka", "servicedesk", "logs", "run", "postgres/data"])
async def test_what_holds_tickets_or_tokens_is_closed_to_others(stack: LocalStack, name: str) -> None:
    assert stat.S_IMODE((stack.state_dir / name).stat().st_mode) == 0o700


async def test_a_second_stack_on_the_same_folder_is_refused_and_harms_nothing(stack: LocalStack) -> None:
    with pytest.raises(StateDirInUse, match=rf"already runs on .*process {os.getpid()}.*TICKETSTREAM_STATE_DIR"):
        await LocalStack(StackOptions(stack.state_dir, WantedPorts.any_free())).start()

    assert read_endpoints(stack.state_dir) == stack.endpoints


async def test_a_service_that_is_killed_comes_back_and_its_new_address_is_written(stack: LocalStack) -> None:
    before = stack.endpoints.internal["enrich"]
    pid = stack.supervisor.status("enrich").pid
    assert pid is not None

    os.kill(pid, signal.SIGKILL)

    await until(lambda: read_endpoints(stack.state_dir).internal["enrich"] != before)
    assert (await surroundings_of(stack, "enrich"))["TICKETSTREAM_SIGNING_KEY_FILE"].endswith("enrich.pem")


@pytest.mark.parametrize("name", ["Kafka", "PostgreSQL"])
async def test_a_foundation_that_is_killed_comes_back_where_it_was(
    stack: LocalStack, told: list[str], name: str
) -> None:
    server = {"Kafka": stack.foundations.broker, "PostgreSQL": stack.foundations.postgres}[name]
    assert server is not None
    assert server.pid is not None
    before = stack.endpoints

    os.kill(server.pid, signal.SIGKILL)
    await until(lambda: f"{name} died, starting it again" in told)
    await until(lambda: told[-1].startswith(f"{name} runs"))

    assert stack.endpoints == before
    connection = await asyncpg.connect(stack.endpoints.postgres)
    await connection.close()
    assert await check_partition_counts({"bootstrap.servers": stack.endpoints.kafka}, "") == 2


async def test_an_operators_command_finds_what_it_needs(stack: LocalStack) -> None:
    found = operator_environment(stack.state_dir, {"KAFKA_BOOTSTRAP_SERVERS": "set.by.hand:9092"})

    assert "KAFKA_BOOTSTRAP_SERVERS" not in found
    assert found["DATABASE_URL"] == stack.endpoints.postgres
    ingest = await surroundings_of(stack, "ingest")
    assert found["TICKETSTREAM_WEBHOOK_KEYS"] == ingest["TICKETSTREAM_WEBHOOK_KEYS"]
    connection = await asyncpg.connect(found["DATABASE_URL_OPERATOR"])
    assert await connection.fetchval("SELECT session_user") == "ticketstream_operator"
    token = sha256(found["TICKETSTREAM_OPERATOR_TOKEN"].encode()).digest()
    whose = await connection.fetchrow("SELECT role, tenants, valid FROM operator_token($1)", token)
    assert whose is not None and tuple(whose.values()) == ("engineer", None, True)
    elsewhere = operator_environment(stack.state_dir, {"DATABASE_URL_OPERATOR": "postgresql://set.by.hand/db"})
    assert "TICKETSTREAM_OPERATOR_TOKEN" not in elsewhere, "the stack's own is for its own database"
    await connection.close()


async def test_the_next_stack_finds_the_data_and_the_secrets(kafka: str, state_dir: Path) -> None:
    options = StackOptions(state_dir, WantedPorts.any_free(), partitions=2, environment=clean_environment())
    async with LocalStack(options, groups=lambda _: []) as first:
        connection = await asyncpg.connect(first.endpoints.postgres)
        await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        await connection.close()
    secrets = {path.name: path.read_bytes() for path in (state_dir / "secrets").rglob("*") if path.is_file()}
    with pytest.raises(NoStack):
        read_endpoints(state_dir)

    told: list[str] = []
    async with LocalStack(options, tell=told.append, groups=lambda _: []) as second:
        connection = await asyncpg.connect(second.endpoints.postgres)
        assert await connection.fetchval("SELECT answer FROM kept") == 42
        await connection.close()
        assert await check_partition_counts({"bootstrap.servers": second.endpoints.kafka}, "") == 2
        assert secrets == {p.name: p.read_bytes() for p in (state_dir / "secrets").rglob("*") if p.is_file()}
        assert not [line for line in told if "created" in line or "migrations" in line]


async def test_servers_that_settings_name_are_used_and_left_alone(stack: LocalStack, state_dir: Path) -> None:
    by_hand = {f"DATABASE_URL_{name.upper()}": "postgresql://by-hand/db" for name in ("ingest", "enrich")}
    named = servers_of(stack) | dsns_of(stack) | by_hand
    options = StackOptions(state_dir, WantedPorts.any_free(), environment={**clean_environment(), **named})
    sites: list[Site] = []

    def no_services(site: Site) -> list[list[ServiceSpec]]:
        sites.append(site)
        return []

    async with LocalStack(options, groups=no_services) as other:
        assert (other.foundations.broker, other.foundations.postgres) == (None, None)
        assert other.endpoints.kafka == stack.endpoints.kafka
        assert sites[0].databases["ingest"] == "postgresql://by-hand/db"
        assert "ticketstream_deliver" in sites[0].databases["deliver"]

    assert stack.foundations.broker
    assert stack.foundations.broker.running


async def test_a_database_that_another_stack_works_on_is_left_as_it_was(stack: LocalStack, state_dir: Path) -> None:
    options = StackOptions(state_dir, WantedPorts.any_free(), environment=clean_environment() | servers_of(stack))

    with pytest.raises(
        WrongSetting, match=r"another stack works.*Nothing was changed\. Set .*TICKETSTREAM_LINK_KEYS"
    ) as raised:
        await LocalStack(options, groups=lambda _: []).start()

    assert "DATABASE_URL_INGEST" in str(raised.value) and "DATABASE_URL_OPERATOR" in str(raised.value)
    for dsn in dsns_of(stack).values():
        await (await asyncpg.connect(dsn)).close()


async def test_one_role_that_is_not_named_is_not_taken_from_another_stack(stack: LocalStack, state_dir: Path) -> None:
    named = servers_of(stack) | dsns_of(stack) | {"DATABASE_URL_DELIVER": ""}
    options = StackOptions(state_dir, WantedPorts.any_free(), environment=clean_environment() | named)

    with pytest.raises(WrongSetting, match=r"passwords of ticketstream_deliver\. .* Set DATABASE_URL_DELIVER, and"):
        await LocalStack(options, groups=lambda _: []).start()

    await (await asyncpg.connect(dsns_of(stack)["DATABASE_URL_DELIVER"])).close()


async def test_a_fresh_server_becomes_the_stacks_own_and_is_found_again(
    stack: LocalStack, fresh_database: str, state_dir: Path
) -> None:
    await migrate(fresh_database)  # as `database migrate` does it: roles, and no passwords
    named = servers_of(stack) | {"DATABASE_URL": fresh_database}
    options = StackOptions(state_dir, WantedPorts.any_free(), environment=clean_environment() | named)

    for _ in range(2):
        async with LocalStack(options, groups=lambda _: []):
            operator = operator_environment(state_dir, {})["DATABASE_URL_OPERATOR"]
            await (await asyncpg.connect(operator)).close()


async def base_urls(dsn: str) -> dict[str, str]:
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch("SELECT tenant_id, servicedesk_base_url FROM tenant_configs")
    await connection.close()
    return {row["tenant_id"]: row["servicedesk_base_url"] for row in rows}


async def test_the_ports_stay_and_tenants_follow_the_simulator_when_its_port_is_taken(
    stack: LocalStack, fresh_database: str, state_dir: Path
) -> None:
    named = servers_of(stack) | {"DATABASE_URL": fresh_database}
    options = StackOptions(state_dir, WantedPorts.any_free(), environment=clean_environment() | named)
    told, sites = list[str](), list[Site]()

    def no_services(site: Site) -> list[list[ServiceSpec]]:
        sites.append(site)
        return []

    (state_dir / "servicedesk").mkdir()
    (state_dir / "servicedesk").chmod(0o755)  # as an earlier version left it
    for _ in range(2):
        async with LocalStack(options, groups=no_services):
            pass
    assert (sites[0].ingest_port, sites[0].servicedesk_port) == (sites[1].ingest_port, sites[1].servicedesk_port)
    assert stat.S_IMODE((state_dir / "servicedesk").stat().st_mode) == 0o700

    before = sites[0].servicedesk_port
    connection = await asyncpg.connect(fresh_database)
    await connection.execute(
        "INSERT INTO tenant_configs (tenant_id, partition, servicedesk_base_url) VALUES ('here', 1, $1), ('away', 2, $2)",
        f"http://{LOOPBACK}:{before}/here",
        f"https://desk.example:{before}",
    )
    await connection.close()
    with socket.create_server((LOOPBACK, before)):
        async with LocalStack(options, tell=told.append, groups=no_services):
            now = sites[2].servicedesk_port

    assert f"Port {before} is taken: the desk simulator listens on {now}" in told
    assert f"The desk simulator moved from port {before} to {now}, and with it here" in told
    found = {"here": f"http://{LOOPBACK}:{now}/here", "away": f"https://desk.example:{before}"}
    assert await base_urls(fresh_database) == found


async def test_tenants_of_a_database_that_is_not_its_own_are_not_moved(stack: LocalStack, state_dir: Path) -> None:
    options = StackOptions(
        state_dir, WantedPorts.any_free(), environment=clean_environment() | servers_of(stack) | dsns_of(stack)
    )
    (state_dir / "run").mkdir()
    postgres = str(stack.endpoints.postgres)
    with socket.create_server((LOOPBACK, 0)) as other:
        port = int(other.getsockname()[1])
        (state_dir / "run" / "ports.json").write_text(f'{{"servicedesk": {port}}}')
        connection = await asyncpg.connect(postgres)
        await connection.execute(
            "INSERT INTO tenant_configs (tenant_id, partition, servicedesk_base_url) VALUES ('theirs', 1, $1)",
            f"http://{LOOPBACK}:{port}/theirs",
        )
        await connection.close()
        async with LocalStack(options, groups=lambda _: []):
            pass

    assert await base_urls(postgres) == {"theirs": f"http://{LOOPBACK}:{port}/theirs"}


async def test_the_edge_gets_the_port_that_a_variable_names(stack: LocalStack, state_dir: Path) -> None:
    (port,) = free_ports(1)
    named = servers_of(stack) | dsns_of(stack) | {"TICKETSTREAM_INGEST_PORT": str(port)}
    options = StackOptions(state_dir, WantedPorts.any_free(), environment=clean_environment() | named)
    sites: list[Site] = []

    def no_services(site: Site) -> list[list[ServiceSpec]]:
        sites.append(site)
        return []

    async with LocalStack(options, groups=no_services):
        assert environment(sites[0], "ingest")["TICKETSTREAM_INGEST_PORT"] == str(port)


async def test_a_service_that_refuses_its_settings_stops_the_start_with_its_log(
    stack: LocalStack, state_dir: Path
) -> None:
    named = servers_of(stack) | dsns_of(stack)
    refusing = (sys.executable, "-c", "import sys; print('TICKETSTREAM_X: is not set. Set it.'); sys.exit(2)")
    options = StackOptions(state_dir, WantedPorts.any_free(), environment={**clean_environment(), **named})
    failing = LocalStack(options, groups=lambda _: [[ServiceSpec("enrich", refusing, {}, health_url="http://x")]])

    with pytest.raises(StackFailed, match=r"(?s)enrich refuses its settings.*TICKETSTREAM_X: is not set"):
        await failing.start()

    assert not (state_dir / "endpoints.json").exists()
    await failing.stop()


async def test_a_port_that_is_taken_is_replaced_and_told(stack: LocalStack, state_dir: Path) -> None:
    taken = int(str(stack.endpoints.kafka).rpartition(":")[2])
    named = servers_of(stack) | dsns_of(stack)
    ports, told, sites = WantedPorts(ingest=taken, servicedesk=free_ports(1)[0]), list[str](), list[Site]()
    options = StackOptions(state_dir, ports, environment={**clean_environment(), **named})

    def no_services(site: Site) -> list[list[ServiceSpec]]:
        sites.append(site)
        return []

    async with LocalStack(options, tell=told.append, groups=no_services):
        assert sites[0].servicedesk_port == ports.servicedesk
        assert sites[0].ingest_port != taken
        assert f"Port {taken} is taken: ingest listens on {sites[0].ingest_port}" in told
        assert sites[0].public_url == f"http://{LOOPBACK}:{sites[0].ingest_port}"


def test_a_state_folder_without_a_stack_says_how_to_start_one(tmp_path: Path) -> None:
    (tmp_path / "endpoints.json").write_text("{}")  # left behind by a stack that was killed

    with pytest.raises(NoStack, match="Start one with: ticketstream up"):
        read_endpoints(tmp_path)


def test_a_named_key_ring_takes_the_place_of_the_stacks_own(tmp_path: Path) -> None:
    site = Site(tmp_path, {"TICKETSTREAM_LINK_KEYS": "mine:x"}, "k", {}, LocalSecrets(tmp_path / "s"), 1, 2)

    assert environment(site, "ingest")["TICKETSTREAM_LINK_KEYS"] == "mine:x"
    assert environment(site, "ingest")["TICKETSTREAM_WEBHOOK_KEYS"].startswith("local1:")
    assert "TICKETSTREAM_LINK_KEYS" not in environment(site, "enrich")
