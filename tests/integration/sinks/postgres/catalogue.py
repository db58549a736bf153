"""What a live database is made of and who may do what in it, as lines of text that are compared with the lists in `fixed/`.

`objects` lists what there is, every other list is a role's, without the prefix. An owner's own rights are not listed: owners are,
and nobody logs in as one.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from sinks.postgres.roles import FUNCTION_OWNERS, LOGINS, OWNER

if TYPE_CHECKING:
    from sinks.postgres.roles import RawConnection

FIXED = Path(__file__).parent / "fixed"
PREFIX = "ticketstream_"
EVERYBODY = "PUBLIC"
LISTS = {role.removeprefix(PREFIX) for role in (OWNER, *FUNCTION_OWNERS, *LOGINS)} | {"objects"}
Lists = dict[str, frozenset[str]]


async def live(connection: RawConnection) -> Lists:
    """What this database holds, by list. Needs a superuser or the migrator."""
    found: dict[str, set[str]] = defaultdict(set)
    for (line,) in await connection.fetch((FIXED / "objects.sql").read_text(encoding="utf-8")):
        found["objects"].add(line)
    for role, line in await connection.fetch((FIXED / "grants.sql").read_text(encoding="utf-8")):
        found[EVERYBODY if role == "-" else role.removeprefix(PREFIX)].add(line)
    return {name: frozenset(line.replace(PREFIX, "") for line in lines) for name, lines in found.items()}


def fixed() -> Lists:
    """The lists, without comments and empty lines."""
    lists = {}
    for file in FIXED.glob("*.txt"):
        lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
        lists[file.stem] = frozenset(line for line in lines if line and not line.startswith("#"))
    return lists


def differences(found: Lists, allowed: Lists) -> list[str]:
    """One line for each difference."""
    told = []
    for name in sorted(found.keys() | allowed.keys()):
        there, listed = found.get(name, frozenset()), allowed.get(name, frozenset())
        told += [f"not in fixed/{name}.txt: {line}" for line in sorted(there - listed)]
        told += [f"in fixed/{name}.txt, not in the database: {line}" for line in sorted(listed - there)]
    return told
