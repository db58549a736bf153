"""The ground of a drill: a local stack with monitoring, its tenants and desks. It inherits no address and no token of anything
else: a drill kills workers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from infra.ops.cli.database import operator_pool
from infra.ops.cli.failure import Failure, WrongUse
from infra.ops.cli.kafka_reader import client_config
from infra.ops.cli.surroundings import STATE_DIR, Surroundings
from infra.ops.demo.memory import Memory
from infra.ops.demo.setting_up import Stage as Place
from infra.ops.demo.setting_up import set_up, wait_until_known
from infra.ops.demo.tenants import DemoTenant, demo_tenants
from infra.ops.demo.watch import Watch
from infra.ops.drill.plan import DrillOptions
from infra.ops.local.kafka import BrokerFailed, DownloadFailed, MissingTool
from infra.ops.local.monitoring import find_tools
from infra.ops.local.monitoring.tools import HOW
from infra.ops.local.postgres import PostgresFailed
from infra.ops.local.servicedesk_simulator import DeskFault, SimulatorControl
from infra.ops.local.stack import LocalStack, StackFailed, StackOptions, StateDirInUse, WantedPorts, WrongSetting
from infra.runtime.kafka.topics import TopicsError
from sinks.postgres.migrate import MigrationError

NOT_OURS = ("TICKETSTREAM_", "KAFKA_", "DATABASE_URL", "OPENROUTER_", "OTEL_", "SCHEMA_REGISTRY_", "PG")


@dataclass(frozen=True, slots=True)
class Ground:
    """`environment` is what a responder's commands get. `watch` sees every note and dead letter."""

    stack: LocalStack
    place: Place
    tenants: Sequence[DemoTenant]
    watch: Watch
    environment: Mapping[str, str]

    @property
    def folder(self) -> Path:
        return self.stack.state_dir

    def tenant(self, tenant_id: str) -> DemoTenant:
        return next(one for one in self.tenants if one.tenant_id == tenant_id)

    async def desks_take(self, seconds: float, tenant_id: str | None = None) -> None:
        """From now on each answer of these desks, or of one, takes so long."""
        for tenant in self.tenants:
            if tenant_id in (None, tenant.tenant_id):
                await self.place.desks.clear_faults(tenant.desk)
                await self.place.desks.set_faults(tenant.desk, DeskFault(kind="latency", seconds=seconds))


def clean_environment() -> dict[str, str]:
    """This process's, without a word of where something real is."""
    return {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}


@asynccontextmanager
async def prepared(options: DrillOptions, tell: Callable[[str], None]) -> AsyncIterator[Ground]:
    """Everything runs and knows the tenants; everything ends with the context. `tell` gets a line for each step of the start.
    Raises WrongUse and Failure."""
    try:
        find_tools()
    except MissingTool as error:
        raise WrongUse(f"a drill needs {error.tool}, which is not on the PATH", f"install both ({HOW})") from None
    telling = _Telling(tell)
    async with AsyncExitStack() as opened:
        folder = options.state_dir
        if folder is None:
            made = tempfile.TemporaryDirectory(prefix="ticketstream-drill-", ignore_cleanup_errors=True)
            folder = Path(opened.enter_context(made))
        environment = clean_environment()
        stack = LocalStack(
            StackOptions(folder, WantedPorts.any_free(), monitoring=True, environment=environment), tell=telling
        )
        with _start_failures():
            await opened.enter_async_context(stack)
        around = Surroundings(folder.resolve(), environment)
        pool = await opened.enter_async_context(operator_pool(around))
        session = await opened.enter_async_context(aiohttp.ClientSession())
        desks = SimulatorControl(stack.endpoints.servicedesk or "", session)
        place = Place(around, pool, session, desks, Memory.load(folder))
        tenants = demo_tenants()
        partitions = await set_up(place, tenants)
        await wait_until_known(place, tenants)
        watch = await Watch(client_config(dict(around.variables)), around.topic_prefix).start(partitions.values())
        opened.push_async_callback(watch.stop)
        telling.enough()
        ground = Ground(stack, place, tenants, watch, {**environment, STATE_DIR: str(folder.resolve())})
        await ground.desks_take(options.plan.desk_seconds)
        yield ground


class _Telling:
    """Tells the steps of the start; what happens to workers afterwards is for the responder to find out."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell: Callable[[str], None] | None = tell

    def __call__(self, line: str) -> None:
        if self._tell:
            self._tell(line)

    def enough(self) -> None:
        self._tell = None


@contextmanager
def _start_failures() -> Iterator[None]:
    try:
        yield
    except (MissingTool, StateDirInUse, WrongSetting) as error:
        raise WrongUse("the drill's stack", str(error)) from None
    except (StackFailed, DownloadFailed, BrokerFailed, PostgresFailed, TopicsError, MigrationError) as error:
        raise Failure("the drill's stack did not start", str(error)) from None
