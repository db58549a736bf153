"""The embedded PostgreSQL as a child of this process, whose data outlives it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import asyncpg
import psutil

from infra.ops.local.leashed_process import STOP_SECONDS, LeashedProcess, end_left_behind
from infra.ops.local.log_file import LogFile
from infra.ops.local.postgres.cluster import (
    BINARIES,
    MAX_CONNECTIONS,
    SUPERUSER,
    make_cluster,
    socket_folder,
    superuser_password,
    system_user,
)

START_SECONDS = 120.0
SOCKET = ".s.PGSQL.5432"


class PostgresFailed(Exception):
    """PostgreSQL ended while starting, or never answered; the message has the end of its log."""


@dataclass
class EmbeddedPostgres:
    """PostgreSQL with everything it keeps in `state_dir`, for one machine: on a Unix socket only, passwords checked (SCRAM).

    A server left behind by a process that was killed is stopped first. It ends with this process (see `leash`), so start it on
    the main thread.
    """

    state_dir: Path
    max_connections: int = MAX_CONNECTIONS
    _process: LeashedProcess = field(default_factory=lambda: LeashedProcess(signal.SIGINT), init=False, repr=False)
    _password: str = field(default="", init=False, repr=False)
    _socket_folder: Path = field(default=Path(), init=False, repr=False)

    def __post_init__(self) -> None:
        self.state_dir = self.state_dir.absolute()

    @property
    def data(self) -> Path:
        return self.state_dir / "data"

    @property
    def log(self) -> LogFile:
        return LogFile(self.state_dir / "postgres.log")

    @property
    def running(self) -> bool:
        return self._process.running

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def socket(self) -> Path:
        """Where it listens, once started."""
        return self._socket_folder / SOCKET

    def dsn(self, role: str = SUPERUSER, *, password: str | None = None, database: str = "postgres") -> str:
        """How `role` reaches `database`, once started. The superuser's password is known; any other's must be given."""
        secret = password if password is not None else (self._password if role == SUPERUSER else "")
        where = quote(str(self._socket_folder), safe="/")
        return f"postgresql://{quote(role, safe='')}:{quote(secret, safe='')}@/{quote(database, safe='')}?host={where}"

    async def start(self) -> None:
        """Returns when it answers. Raises PostgresFailed."""
        if self.running:
            return
        self.state_dir.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(self._stop_left_behind)
        self._password = superuser_password(self.state_dir / "superuser.password")
        try:
            await asyncio.to_thread(make_cluster, self.data, self._password, max_connections=self.max_connections)
        except subprocess.SubprocessError as error:
            raise PostgresFailed(f"PostgreSQL could not make its data folder {self.data}: {error}") from error
        self._socket_folder = socket_folder(self.data)
        self._spawn()
        try:
            await self._await_answer()
        except BaseException:
            self.kill()
            raise

    async def ensure_database(self, name: str) -> None:
        """Creates the database if it isn't there."""
        connection = await asyncpg.connect(self.dsn(), timeout=10)
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
                quoted = name.replace('"', '""')
                await connection.execute(f'CREATE DATABASE "{quoted}"')
        finally:
            await connection.close()

    async def stop(self, patience: float = STOP_SECONDS) -> None:
        """A fast shutdown (open transactions are rolled back); SIGKILL after `patience` seconds. Safe to call twice."""
        await self._process.stop(patience)

    def kill(self) -> None:
        """SIGKILL, as an accident would; its children notice and end."""
        self._process.kill()

    def _spawn(self) -> None:
        command = [str(BINARIES / "postgres"), "-D", str(self.data), "-k", str(self._socket_folder)]
        self._process.spawn(command, self.log, user=system_user(), cwd="/")

    async def _await_answer(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not await self._answers():
            if not self.running:
                raise PostgresFailed(f"PostgreSQL ended while starting. The end of {self.log.path}:\n{self.log.tail()}")
            if time.monotonic() > deadline:
                raise PostgresFailed(f"PostgreSQL did not answer in {START_SECONDS:.0f} s:\n{self.log.tail()}")
            await asyncio.sleep(0.05)

    async def _answers(self) -> bool:
        if not self.socket.exists():
            return False
        try:
            connection = await asyncpg.connect(self.dsn(), timeout=5)
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError):
            return False
        except asyncpg.InvalidPasswordError as error:
            raise PostgresFailed(
                f"{self.data} doesn't know the password in superuser.password beside it: one of the two was replaced. Restore "
                "it, or move the folder away to start anew."
            ) from error
        await connection.close()
        return True

    def _stop_left_behind(self) -> None:
        """By the postmaster's id in its own file, if that process really is a postmaster on this folder."""
        with suppress(OSError, ValueError, IndexError, psutil.Error):
            left = psutil.Process(int((self.data / "postmaster.pid").read_text().splitlines()[0]))
            if left.name() != "postgres" or str(self.data) not in left.cmdline():
                return
            end_left_behind(left, signal.SIGINT)
