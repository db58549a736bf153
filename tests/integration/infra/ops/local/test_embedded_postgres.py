"""The embedded PostgreSQL: passwords are checked, data survives, and nothing is left running."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from infra.ops.local.postgres import EmbeddedPostgres, PostgresFailed
from tests.integration.chain.polling import until


@pytest.fixture
async def server() -> AsyncIterator[EmbeddedPostgres]:
    folder = Path(tempfile.mkdtemp(prefix="ts-pg-"))
    server = EmbeddedPostgres(folder)
    await server.start()
    yield server
    await server.stop()
    shutil.rmtree(folder, ignore_errors=True)


async def ask(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def remember(server: EmbeddedPostgres) -> None:
    await ask(server.dsn(), "CREATE TABLE kept AS SELECT 42 AS answer")
    await ask(server.dsn(), "CHECKPOINT")


async def test_a_restart_finds_the_data(server: EmbeddedPostgres) -> None:
    await remember(server)

    await server.stop()
    assert not server.running
    again = EmbeddedPostgres(server.state_dir)
    await again.start()

    assert await ask(again.dsn(), "SELECT answer FROM kept") == 42
    await again.stop()


async def test_data_survives_a_kill(server: EmbeddedPostgres) -> None:
    await remember(server)

    server.kill()
    await server.start()

    assert await ask(server.dsn(), "SELECT answer FROM kept") == 42


async def test_a_roles_password_is_checked(server: EmbeddedPostgres) -> None:
    await server.ensure_database("other one")
    await ask(server.dsn(), "CREATE ROLE reader LOGIN PASSWORD 'right'")

    assert await ask(server.dsn("reader", password="right", database="other one"), "SELECT current_user") == "reader"
    for wrong in ("wrong", ""):
        with pytest.raises(asyncpg.PostgresError):
            await ask(server.dsn("reader", password=wrong, database="other one"), "SELECT 1")


async def test_there_are_a_hundred_connections_and_no_port(server: EmbeddedPostgres) -> None:
    assert await ask(server.dsn(), "SHOW max_connections") == "100"
    assert await ask(server.dsn(), "SHOW listen_addresses") == ""


async def test_a_data_folder_with_a_long_path_works() -> None:
    folder = Path(tempfile.mkdtemp(prefix="ts-pg-"))
    server = EmbeddedPostgres(folder / ("long" * 25))
    await server.start()

    assert await ask(server.dsn(), "SELECT 1") == 1
    await server.stop()
    shutil.rmtree(folder, ignore_errors=True)


async def test_a_lost_password_is_explained(server: EmbeddedPostgres) -> None:
    await server.stop()
    (server.state_dir / "superuser.password").write_text("another")

    with pytest.raises(PostgresFailed, match=r"superuser\.password"):
        await server.start()
    assert not server.running


async def test_it_ends_with_the_process_that_started_it_and_the_next_one_takes_over(server: EmbeddedPostgres) -> None:
    await remember(server)
    await server.stop()
    program = (
        "import asyncio, sys, pathlib\n"
        "from infra.ops.local.postgres import EmbeddedPostgres\n"
        "async def main():\n"
        "    server = EmbeddedPostgres(pathlib.Path(sys.argv[1])); await server.start(); print(server.pid, flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())"
    )
    starter = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program, str(server.state_dir)], stdout=subprocess.PIPE, cwd=Path.cwd()
    )
    assert starter.stdout is not None
    pid = int(await asyncio.to_thread(starter.stdout.readline))
    starter.kill()
    starter.wait()

    await server.start()

    assert await ask(server.dsn(), "SELECT answer FROM kept") == 42
    # its new parent reaps it in its own time
    await until(lambda: not psutil.pid_exists(pid), "the server left behind is gone")


async def test_it_takes_as_many_connections_as_it_is_told(server: EmbeddedPostgres) -> None:
    await server.stop()
    server.max_connections = 150
    await server.start()

    assert await ask(server.dsn(), "SHOW max_connections") == "150"
