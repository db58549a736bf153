"""The local stack: started in order, kept running, stopped in reverse, found again by `endpoints.json`."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from infra.ops.local.monitoring import MonitoringPorts, find_tools
from infra.ops.local.stack.database import (
    OPERATOR,
    admit_operator,
    has_own_roles,
    operator_pool,
    prepare_database,
    publish_keys,
    service_dsns,
    signing_key_files,
)
from infra.ops.local.stack.desks import move_desks
from infra.ops.local.stack.endpoints import FILE, Endpoints
from infra.ops.local.stack.errors import StackFailed, WrongSetting
from infra.ops.local.stack.foundations import KAFKA, Foundations, private_folder
from infra.ops.local.stack.lock import StateDirLock
from infra.ops.local.stack.monitoring import ALERT_LOG, ALERTMANAGER, PROMETHEUS, Monitoring
from infra.ops.local.stack.options import StackOptions
from infra.ops.local.stack.ports import StackPorts, Tell
from infra.ops.local.stack.readiness import ServicesNotReady, addresses, wait_until_ready
from infra.ops.local.stack.secrets import LocalSecrets
from infra.ops.local.stack.service import ServiceEvent, ServiceSpec, ServiceState
from infra.ops.local.stack.services import CONSOLE, INGEST, LAG, SIMULATOR, Site, model_without_package, service_groups
from infra.ops.local.stack.supervisor import Supervisor

FOLLOW_SECONDS = 0.5
PRIVATE = ("logs", "run", "secrets", KAFKA, SIMULATOR)
"""Folders of the state folder. PostgreSQL closes its own."""
Groups = Callable[[Site], Sequence[Sequence[ServiceSpec]]]


@dataclass(frozen=True, slots=True)
class _Running:
    site: Site
    specs: tuple[ServiceSpec, ...]
    monitoring: Monitoring | None


class LocalStack:
    """For use as `async with`, or start and stop, on the main thread's event loop.

    `tell` gets a line for each step and each service that dies. `groups` says which services run; tests pass their own.
    """

    def __init__(self, options: StackOptions, *, tell: Tell = lambda _: None, groups: Groups = service_groups) -> None:
        self.options, self._tell, self._groups = options, tell, groups
        self.state_dir = options.state_dir.absolute()
        self.endpoints = Endpoints()
        self._lock = StateDirLock(self.state_dir)
        self._ports = StackPorts(self.state_dir, tell)
        self.foundations = Foundations(options, self._ports, tell)
        self.supervisor = Supervisor(self.state_dir / "logs", on_event=self._on_event)
        self._follow: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self) -> None:
        """Returns when every service is ready and `endpoints.json` is written.

        Raises StateDirInUse, WrongSetting, MissingTool, DownloadFailed, and StackFailed for a service that isn't ready, with the
        end of its log. Other errors come from Kafka, PostgreSQL and the migrations. Nothing is left running after any of them.
        """
        self.options.check()
        if self.options.monitoring:
            find_tools()  # before anything is started
        try:
            self.state_dir.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except OSError as error:
            raise WrongSetting(
                f"{self.state_dir} can't be the state folder ({error.strerror}). Name one that you may write to with "
                "TICKETSTREAM_STATE_DIR or --state-dir."
            ) from error
        try:
            await self._start()
        except BaseException as error:
            await self.stop()
            self._raise_first(error)

    async def stop(self) -> None:
        """Services, then PostgreSQL and Kafka. Safe to call twice, and after a start that failed."""
        self._stopping = True
        if self._follow:
            self._follow.cancel()
            await asyncio.gather(self._follow, return_exceptions=True)
        (self.state_dir / FILE).unlink(missing_ok=True)
        await self.supervisor.stop()
        await self.foundations.stop()
        self._lock.release()

    def kill(self) -> None:
        """SIGKILL to all, for somebody who doesn't want to wait."""
        self._stopping = True
        self.supervisor.kill()
        self.foundations.kill()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _start(self) -> None:
        (self.state_dir / FILE).unlink(missing_ok=True)
        for name in PRIVATE:
            private_folder(self.state_dir / name)
        self._ports.load()
        secrets = LocalSecrets(self.state_dir / "secrets")
        await self.foundations.start()
        await self.foundations.ensure_topics()
        await self._prepare_database(secrets)
        site = self._site(secrets)
        monitoring = self._monitoring()
        await self._move_in(site)
        if model_without_package(site.inherited):
            self._tell("OPENROUTER_API_KEY is left aside: a model needs pip install -c constraints.txt -e '.[model]'")
        groups = [*self._groups(site), *([monitoring.group()] if monitoring else [])]
        specs = tuple(itertools.chain.from_iterable(groups))
        for group in groups:
            await self.supervisor.start(group)
        try:
            await wait_until_ready(self.supervisor, specs, seconds=self.options.ready_seconds)
        except ServicesNotReady as error:
            raise StackFailed(str(error)) from error
        running = _Running(site, specs, monitoring)
        self._publish(running)
        self._follow = asyncio.create_task(self._follow_addresses(running), name="follow-addresses")

    async def _prepare_database(self, secrets: LocalSecrets) -> None:
        applied = await prepare_database(self.foundations.database, secrets, self.options.environment)
        if applied:
            self._tell(f"{len(applied)} migrations applied")

    async def _move_in(self, site: Site) -> None:
        """What the database must know of this start before a service does: the signing keys, and where the desks are now."""
        environment, moved = self.options.environment, self._ports.moved(SIMULATOR)
        async with operator_pool(site.databases[OPERATOR], environment) as pool:
            await publish_keys(pool, signing_key_files(site.secrets))
            if has_own_roles(environment):
                await admit_operator(pool, site.secrets)
            if moved and has_own_roles(environment):
                before, now = moved
                tenants = await move_desks(pool, before=before, now=now)
                if tenants:
                    self._tell(
                        f"The desk simulator moved from port {before} to {now}, and with it {', '.join(tenants)}"
                    )
        self._ports.save()

    def _site(self, secrets: LocalSecrets) -> Site:
        database, wanted, named = self.foundations.database, self.options.ports, self.options.named_ingest_port
        ingest = wanted.ingest if named is None else named
        named_lag, named_console = self.options.named_lag_port, self.options.named_console_port
        lag = wanted.lag if named_lag is None else named_lag
        console = wanted.console if named_console is None else named_console
        return Site(
            state_dir=self.state_dir,
            inherited=self.options.environment,
            kafka=self.foundations.kafka,
            databases=service_dsns(database, secrets, self.options.environment),
            secrets=secrets,
            ingest_port=self._ports.choose(INGEST, ingest, named=bool(named)),
            servicedesk_port=self._ports.choose(SIMULATOR, wanted.servicedesk, what="the desk simulator"),
            lag_port=self._ports.choose(LAG, lag, what="the lag service", named=bool(named_lag)),
            console_port=self._ports.choose(CONSOLE, console, what="the console", named=bool(named_console)),
        )

    def _monitoring(self) -> Monitoring | None:
        """Prometheus and Alertmanager, if they are asked for. Raises MissingTool."""
        if not self.options.monitoring:
            return None
        wanted = self.options.ports
        ports = MonitoringPorts(
            prometheus=self._ports.choose(PROMETHEUS, wanted.prometheus, what="Prometheus"),
            alertmanager=self._ports.choose(ALERTMANAGER, wanted.alertmanager, what="Alertmanager"),
            alert_log=self._ports.choose(ALERT_LOG, 0),
        )
        monitoring = Monitoring(self.state_dir, ports, find_tools(), self.options.environment)
        monitoring.prepare()
        return monitoring

    def _publish(self, running: _Running) -> None:
        found = {spec.name: addresses(spec) for spec in running.specs}
        internal = {name: where.internal for name, where in found.items() if where.internal}
        registry = f"{internal[INGEST]}/registry" if INGEST in internal else None
        endpoints = Endpoints(
            ingest=found[INGEST].public if INGEST in found else None,
            console=found[CONSOLE].public if CONSOLE in found else None,
            lag=found[LAG].public if LAG in found else None,
            registry=registry,
            kafka=running.site.kafka,
            postgres=self.foundations.database,
            servicedesk=running.site.servicedesk_url if SIMULATOR in found else None,
            prometheus=running.monitoring.prometheus if running.monitoring else None,
            alertmanager=running.monitoring.alertmanager if running.monitoring else None,
            internal=internal,
        )
        if endpoints != self.endpoints:
            self.endpoints = endpoints
            endpoints.write(self.state_dir)
            if running.monitoring:
                running.monitoring.follow(internal)

    async def _follow_addresses(self, running: _Running) -> None:
        """A service that was started again has another internal port; until it tells, its old one stays written."""
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            if all(addresses(spec).internal or not spec.ports_file for spec in running.specs):
                self._publish(running)

    def _on_event(self, event: ServiceEvent) -> None:
        if self._stopping and event.status.state is not ServiceState.STOPPED:
            return
        if event.status.state is ServiceState.RUNNING and not event.status.restarts:
            return  # at the start; being ready is what counts
        self._tell(f"{event.name} {event.text}")
        if event.status.state is ServiceState.FAILED and self._follow:
            log = self.supervisor.log(event.name)
            self._tell(f"The end of {log.path}:\n{log.tail()}")

    def _raise_first(self, error: BaseException) -> None:
        """Of errors of things that were started together, the first: a person wants one cause."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, OSError):
            told = error.strerror or str(error) or type(error).__name__
            where = f": {error.filename}" if error.filename else ""
            raise StackFailed(
                f"{told}{where}. Check that {self.state_dir} may be written to and has space left, or name another folder with "
                "TICKETSTREAM_STATE_DIR."
            ) from error
        raise error
