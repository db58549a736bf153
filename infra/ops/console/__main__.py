"""Runs the console: `python -m infra.ops.console`. The only place where its parts are chosen and wired."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from infra.ops.cli.operators import Operator, operator_of
from infra.ops.cli.surroundings import Surroundings
from infra.ops.console.app import Site, console_app
from infra.ops.console.commands.api import CommandApi
from infra.ops.console.commands.runner import Commands
from infra.ops.console.sessions import Sessions
from infra.ops.console.settings import KEYS, ConsoleSettings
from infra.ops.console.sign_in import SignIn
from infra.ops.console.visits import Rooms
from infra.ops.until_told import until_told
from infra.runtime.garbage import collect_rarely
from infra.runtime.kafka.client_settings import load_kafka
from infra.runtime.postgres.late_pool import LatePool
from infra.runtime.settings import load
from infra.runtime.telemetry import logs
from infra.runtime.telemetry.http_log import server_logger
from infra.runtime.telemetry.internal_server import InternalServer
from infra.runtime.telemetry.ports_file import write_ports
from sinks.postgres.console_sessions import ConsoleSessions
from sinks.postgres.isolation import isolation_watched
from sinks.postgres.late_tenants import LateTenants

SERVICE = "console"
POOL_SIZE = 6
KEEPALIVE_SECONDS = 75.0
FINISH_SECONDS = 10.0
TENANTS_SECONDS = 30.0

log = logs.get_logger(__name__)


def main() -> int:
    """0 after SIGTERM or SIGINT, 1 when it can't go on, 2 when a setting is wrong."""
    settings = load(ConsoleSettings)
    load_kafka()  # for the commands: what is wrong is said now
    logs.configure(SERVICE, settings.log_level)
    os.environ.pop(KEYS, None)  # no process that is started from here on has it
    try:
        asyncio.run(until_told(_serve(settings)))
    except OSError as error:
        log.error("Not started", error=str(error))
        return 1
    return 0


async def _serve(settings: ConsoleSettings) -> None:
    commands = Commands(os.environ, most=settings.console_commands, seconds=settings.console_command_seconds)
    if not settings.local:  # there the first command waits two seconds, and a stack that runs none costs less
        await asyncio.to_thread(commands.forker.warm_up)
    dsn = settings.database_url.get_secret_value()
    tenants = LateTenants(poll_seconds=TENANTS_SECONDS)
    async with LatePool(dsn, service=SERVICE, size=POOL_SIZE, then=tenants.follow) as database, tenants:

        async def whose(token: str, command: str) -> Operator:
            return await operator_of(database.pool, token, command=command, stranger=SERVICE)

        sign_in = SignIn(whose, settings.source_addresses)
        store = ConsoleSessions(lambda: database.pool, settings.ring)
        sessions = Sessions(store, sign_in, by_https=settings.by_https)
        rooms = Rooms(Surroundings.find(), lambda: database.pool, commands)
        site = Site(sessions, rooms, settings.by_https, CommandApi(commands, sign_in).routes())
        watched = isolation_watched(
            lambda: database.pool, tenants.ids, who=SERVICE, every_seconds=settings.isolation_probe_seconds
        )
        async with _listening(settings, console_app(site), database), watched:
            await asyncio.Event().wait()


@asynccontextmanager
async def _listening(settings: ConsoleSettings, app: web.Application, database: LatePool) -> AsyncIterator[None]:
    internal = InternalServer(checks={"postgres": database.check})
    await internal.start(settings.internal_host, settings.internal_port)
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=server_logger(),
        keepalive_timeout=KEEPALIVE_SECONDS,
        shutdown_timeout=FINISH_SECONDS,
        handler_cancellation=True,  # whoever goes away takes the command along
    )
    try:
        await runner.setup()
        await web.TCPSite(runner, settings.console_host, settings.console_port).start()
        port = runner.addresses[0][1]
        write_ports(settings.ports_file, internal=internal.port, public=port)
        log.info("Listening", public=port, internal=internal.port)
        collect_rarely()
        yield
    finally:
        await runner.cleanup()
        await internal.stop()


if __name__ == "__main__":
    sys.exit(main())
