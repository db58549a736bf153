"""Every place that the system writes to, or shows anything in."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from infra.ops.local.stack import LocalStack
from schemas.topics import Topic
from tests.integration.canaries.conftest import Aviary
from tests.integration.canaries.needles import Needles

WITH_SECRETS = ("secrets", "servicedesk")
"""Folders of the state folder: the stack's own secrets, closed to others, and what the simulated desks know of themselves."""
WITH_A_DSN = "endpoints.json"
"""Holds the migrator's DSN by contract, closed to others."""
SHOWN = ("livez", "readyz", "health", "metrics")
_TABLES = """
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%'
"""
_VIEWS = (
    "pg_stat_activity",
    "pg_settings",
    "pg_prepared_statements",
    "pg_proc",
    "pg_description",
    "pg_db_role_setting",
)


def files_of_the_state_folder(needles: Needles, stack: LocalStack) -> None:
    for file in _files(stack.state_dir):
        inside = file.relative_to(stack.state_dir)
        if inside.parts[0] in WITH_SECRETS or str(inside) == WITH_A_DSN:
            assert stat.S_IMODE((stack.state_dir / inside.parts[0]).stat().st_mode) in (0o700, 0o600), inside
            continue
        needles.look(f"state folder:{inside}", file.read_bytes())


def logs_of_the_servers(needles: Needles, session_dir: Path) -> None:
    """PostgreSQL's and Kafka's own, and what they are configured with."""
    for file in _files(session_dir):
        if file.suffix in (".log", ".conf", ".properties", ".out") and not file.stem.isdigit():
            needles.look(f"servers' logs:{file.relative_to(session_dir)}", file.read_bytes())


def records_of_all_topics(needles: Needles, aviary: Aviary, partitions: int) -> None:
    for topic in Topic:
        for partition in range(partitions):
            for record in aviary.chain.tap.records(topic, partition):
                written = [record.key or b"", record.value or b"", *(f"{n}=".encode() + v for n, v in record.headers)]
                needles.look(f"topics:{topic}/{partition}/{record.offset}", b"\n".join(written))
                if topic is Topic.DEAD_LETTERS:  # its own bytes are inside the event, and it may be compressed by then
                    needles.look(f"dead letters:{record.offset}", repr(record.event))


async def rows_of_all_tables(needles: Needles, dsn: str) -> None:
    """As text, bytea in hex, and what PostgreSQL shows of statements."""
    connection = await asyncpg.connect(dsn)
    for (table,) in await connection.fetch(_TABLES):
        async for text in _rows(connection, table):
            needles.look(f"tables:{table}", text)
    for view in _VIEWS:
        async for text in _rows(connection, view):
            needles.look(f"PostgreSQL's views:{view}", text)
    await connection.close()


async def _rows(connection: asyncpg.Connection[Any], name: str) -> AsyncIterator[str]:
    for (text,) in await connection.fetch(f"SELECT one::text FROM {name} one"):  # noqa: S608 - names of the catalogue
        yield text


async def what_processes_show(needles: Needles, stack: LocalStack, session: aiohttp.ClientSession) -> None:
    for service, url in stack.endpoints.internal.items():
        for path in SHOWN:
            async with session.get(f"{url}/{path}") as answer:
                needles.look(f"HTTP:{service}/{path}", await answer.read())
    for path in ("keys", "openapi.json", "registry/subjects"):
        async with session.get(f"{stack.endpoints.ingest}/{path}") as answer:
            needles.look(f"HTTP:public/{path}", await answer.read())


def command_lines(needles: Needles) -> None:
    """What `ps` shows of every process of this machine, to anybody. A process's environment can be read by its own user alone."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                needles.look(f"ps:{folder.name}", (folder / "cmdline").read_bytes())
            except OSError:
                continue  # it ended


def environment_of(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def _files(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):
        for name in names:
            file = Path(root, name)
            if file.is_file() and not file.is_symlink():
                yield file
