"""The ports that a stack listens on: at the next start the same ones, since tenants' desks and senders are pointed at them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import orjson

from infra.ops.local.free_ports import free_ports, is_free

FILE = "ports.json"
HIGHEST = 65535
Tell = Callable[[str], None]


class StackPorts:
    """What the last start chose, in `<state dir>/run/ports.json`, and what this one chooses.

    Only the process that holds the state folder's lock may save.
    """

    def __init__(self, state_dir: Path, tell: Tell) -> None:
        self._file, self._tell = state_dir / "run" / FILE, tell
        self._before: dict[str, int] = {}
        self._chosen: dict[str, int] = {}
        self._named: set[str] = set()

    def load(self) -> None:
        """Read what the last start chose; nothing where it can't be read."""
        try:
            written = orjson.loads(self._file.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            written = {}
        kept = written if isinstance(written, dict) else {}
        self._before = {name: port for name, port in kept.items() if _is_port(port)}
        self._chosen, self._named = {}, set()

    def choose(self, name: str, wanted: int, *, what: str = "", named: bool = False) -> int:
        """The last start's port, or else `wanted` (0: none in particular), or else any free one, and it is told when one is taken.

        With `named`, a setting asks for `wanted`: it goes before the last start's, and isn't kept for the next.
        """
        first = wanted if named else self._before.get(name, 0)
        what = what or name
        candidates = [port for port in (first, wanted) if port]
        port = next(filter(self._usable, candidates), 0) or free_ports(1)[0]
        if candidates and port != candidates[0]:
            self._tell(f"Port {candidates[0]} is taken: {what} listens on {port}")
        elif wanted and port != wanted:
            self._tell(f"{what} listens on {port} as last time, not on {wanted} ({self._file} keeps it)")
        self._chosen[name] = port
        if named:
            self._named.add(name)
        return port

    def moved(self, name: str) -> tuple[int, int] | None:
        """The last start's port and this one's, when they differ."""
        before, now = self._before.get(name), self._chosen.get(name)
        return (before, now) if before and now and before != now else None

    def save(self) -> None:
        """Keep what was chosen, beside what an earlier start chose for that which this one doesn't run."""
        kept = self._before | {name: port for name, port in self._chosen.items() if name not in self._named}
        part = self._file.with_suffix(".part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(orjson.dumps(kept))
        part.replace(self._file)

    def _usable(self, port: int) -> bool:
        return port not in self._chosen.values() and is_free(port)


def _is_port(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= HIGHEST
