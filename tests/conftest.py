"""One real Kafka and one real PostgreSQL a session, shared by all integration tests, which keep apart by tenant or topic prefix."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
from xdist.scheduler import LoadScopeScheduling

from infra.ops.local.kafka import KafkaBroker, MissingTool
from infra.ops.local.kafka.broker import JAVA_OPTIONS
from infra.ops.local.postgres import EmbeddedPostgres
from infra.ops.local.stack.database import DATABASE, prepare_database, service_dsns
from infra.ops.local.stack.secrets import LocalSecrets
from infra.runtime.kafka.topics import ensure_topics

PARTITIONS = 64
WHOLE_CHAINS = (
    "tests/integration/chain/",
    "tests/integration/kills/",
    "tests/integration/canaries/",
    "tests/integration/drill/",
    "tests/integration/investigate/",
    "tests/chaos/test_chaos",
)

ONE_TRY = (
    "tests/integration/kills/",
    "tests/integration/canaries/",
    "tests/integration/infra/runtime/",
    "tests/integration/sinks/",
    "tests/integration/infra/ops/lag/test_exactness",
)
"""What proves that nothing is lost, said twice, told or shown to others: there one failure in a hundred counts."""


@dataclass(frozen=True, slots=True)
class MigratedDatabase:
    """`dsn` is the superuser's, `dsns` by service: each with the service's own role."""

    dsn: str
    dsns: dict[str, str]


def pytest_configure() -> None:
    """A shell starts what runs in its background with Ctrl-C ignored, and so would be everything that tests start and interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that kill or count what others share come last; for several workers, the longest piece of work comes first. In CI, on a
    machine that may be busy, what talks to real servers has a second try, and the summary names what needed it."""
    if os.environ.get("CI") == "true":
        for item in items:
            if item.nodeid.startswith("tests/integration/") and not item.nodeid.startswith(ONE_TRY):
                item.add_marker(pytest.mark.flaky(reruns=1))
    several = hasattr(config, "workerinput")
    items.sort(
        key=lambda item: (
            several and not item.nodeid.startswith(WHOLE_CHAINS),
            item.get_closest_marker("alone") is not None,
        )
    )


class OneWorkerForWholeChains(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """Of two workers, each with a Kafka and a PostgreSQL of its own, one runs what starts all processes, the other, file by file,
    the rest: two chains at once would leave neither of them a processor."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return "whole chains" if file.startswith(WHOLE_CHAINS) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    config.option.loadscopereorder = False  # the order of collection, not the number of tests, says what begins
    return OneWorkerForWholeChains(config, log)


def missing_tool(error: MissingTool) -> NoReturn:
    """Skips with the tool's name; in CI nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(str(error), pytrace=False)
    pytest.skip(f"{error.tool} is missing: {error}")


@pytest.fixture(scope="session")
def session_dir() -> Iterator[Path]:
    """A folder with a short path: a Unix socket's path has at most 107 characters."""
    folder = Path(tempfile.mkdtemp(prefix="ts-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
async def kafka_broker(session_dir: Path) -> AsyncIterator[KafkaBroker]:
    """The session's broker itself, for tests that stop or freeze it and leave it running. It ends up
    with 3,000 partitions: in half a gigabyte it would stand still for seconds, and members of groups would lose their place."""
    broker = KafkaBroker(session_dir / "kafka", java_options=(*JAVA_OPTIONS, "-Xmx1536m"))  # the last -Xmx counts
    try:
        await broker.start()
    except MissingTool as error:
        missing_tool(error)
    yield broker
    await broker.stop()


@pytest.fixture(scope="session")
async def kafka(kafka_broker: KafkaBroker) -> str:
    """Bootstrap servers of a real Kafka without topics; `topics` has them."""
    return kafka_broker.bootstrap_servers


@pytest.fixture(scope="session")
async def topics(kafka: str) -> str:
    """Bootstrap servers of the same Kafka, with all topics, unprefixed, of 64 partitions."""
    client: dict[str, Any] = {"bootstrap.servers": kafka}
    await ensure_topics(client, prefix="", partitions=PARTITIONS, single_node=True)
    return kafka


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A real PostgreSQL, with passwords that are checked."""

    running: EmbeddedPostgres
    secrets: LocalSecrets

    async def migrated(self, name: str) -> MigratedDatabase:
        """A database of its own on this server, for tests that others' tenants would disturb."""
        await self.running.ensure_database(name)
        dsn = self.running.dsn(database=name)
        await prepare_database(dsn, self.secrets, {})
        return MigratedDatabase(dsn, service_dsns(dsn, self.secrets, {}))


@pytest.fixture(scope="session")
async def postgres_server(session_dir: Path) -> AsyncIterator[PostgresServer]:
    server = EmbeddedPostgres(session_dir / "postgres")
    await server.start()
    yield PostgresServer(server, LocalSecrets(session_dir / "secrets"))
    await server.stop()


@pytest.fixture(scope="session")
async def postgres(postgres_server: PostgresServer) -> MigratedDatabase:
    """The database that most tests share: each makes tenants of its own in it."""
    return await postgres_server.migrated(DATABASE)
