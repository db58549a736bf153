"""`ticketstream up`: the local stack in the foreground until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import sys
import time

import asyncpg

from infra.ops.local.kafka import BrokerFailed, DownloadFailed, MissingTool
from infra.ops.local.postgres import PostgresFailed
from infra.ops.local.stack.endpoints import Endpoints
from infra.ops.local.stack.errors import StackFailed, WrongSetting
from infra.ops.local.stack.lock import StateDirInUse
from infra.ops.local.stack.options import StackOptions
from infra.ops.local.stack.secrets import OPERATOR_TOKEN
from infra.ops.local.stack.services import service_groups
from infra.ops.local.stack.stack import Groups, LocalStack
from infra.runtime.kafka.topics import TopicsError
from sinks.postgres.migrate import MigrationError

TOKEN = f"secrets/{OPERATOR_TOKEN}"
DONE, FAILED, WRONG_USE = 0, 1, 2
_EXPECTED = (StackFailed, DownloadFailed, BrokerFailed, PostgresFailed, TopicsError, MigrationError)


def run_up(options: StackOptions, *, groups: Groups = service_groups) -> int:
    """Runs a stack until SIGINT or SIGTERM; a second signal kills it. Progress goes to stderr. Returns the exit code: 2 when a
    tool is missing, the state folder is in use or a setting is wrong, 1 when the stack could not start."""
    return asyncio.run(_run(options, groups))


async def _run(options: StackOptions, groups: Groups) -> int:
    stack = LocalStack(options, tell=_tell, groups=groups)
    signals = _Signals(stack)
    started = time.monotonic()
    starting = asyncio.ensure_future(stack.start())
    await asyncio.wait({starting, signals.first}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        _tell("Stopping")
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return DONE
    code = _outcome(starting)
    if code is not None:
        return code
    _tell(f"Ready after {time.monotonic() - started:.1f} s\n{_summary(options, stack.endpoints)}")
    await signals.first
    _tell("Stopping. Again to kill everything at once.")
    await stack.stop()
    _tell("Stopped. The next `ticketstream up` finds its data.")
    return DONE


class _Signals:
    """`first` is done at the first SIGINT or SIGTERM; each further one kills."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        loop = asyncio.get_running_loop()
        self.first: asyncio.Future[None] = loop.create_future()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._received)

    def _received(self) -> None:
        if self.first.done():
            self._stack.kill()
        else:
            self.first.set_result(None)


def _outcome(starting: asyncio.Future[None]) -> int | None:
    """None when it started."""
    error = starting.exception()
    if error is None:
        return None
    if isinstance(error, MissingTool | StateDirInUse | WrongSetting):
        _tell(str(error))
        return WRONG_USE
    if isinstance(error, _EXPECTED):
        _tell(str(error))
        return FAILED
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError):
        _tell(f"PostgreSQL: {error}. See postgres/postgres.log in the state folder.")
        return FAILED
    raise error


def _summary(options: StackOptions, endpoints: Endpoints) -> str:
    lines = {
        "webhooks": f"{endpoints.ingest}/api/v1/webhooks/TENANT",
        "console": endpoints.console and f"{endpoints.console} (the token is in {options.state_dir / TOKEN})",
        "lag": endpoints.lag and f"{endpoints.lag}/lag",
        "desk simulator": endpoints.servicedesk,
        "Kafka": endpoints.kafka,
        "schema registry": endpoints.registry,
        "Prometheus": endpoints.prometheus,
        "Alertmanager": endpoints.alertmanager,
        "addresses": options.state_dir / "endpoints.json",
        "logs": options.state_dir / "logs",
    }
    return "\n".join(f"  {name:<16}{value}" for name, value in lines.items() if value) + "\nCtrl-C stops all."


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
