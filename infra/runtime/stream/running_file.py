"""What a worker is handling, in a file that outlives it: a crash, `kill -9` and running out of memory spare the page cache.

Each worker has a file of its own, locked while it lives and removed when it ends well. Who starts next in the same folder reads the
files that nobody holds. A note is two writes to memory, a microsecond or two; nothing is synced, since what the death of a whole
machine leaves behind blames no event.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import orjson

from infra.runtime.stream.record import Position

SLOT_BYTES = 1024
LENGTH_BYTES = 2  # at a slot's start, written last; 0 is a free slot
MAX_FILES = 1000
MAX_BYTES_READ = 16 * 1024 * 1024


class Handling(NamedTuple):
    """An event under way, named by what its record claims; `deaths` is at how many deaths it was running before."""

    topic: str
    partition: int
    offset: int
    tenant_id: str
    ticket_id: str
    event_id: str
    deaths: int = 0

    @property
    def position(self) -> Position:
        return Position(self.topic, self.partition, self.offset)


class RunningFile:
    """`open` it once a process. `left_behind` is what was under way when other owners of the same `name` died."""

    def __init__(self, path: Path, descriptor: int, slots: int) -> None:
        self._path, self._descriptor = path, descriptor
        os.ftruncate(descriptor, slots * SLOT_BYTES)
        self._memory = mmap.mmap(descriptor, slots * SLOT_BYTES)
        self._free = list(range(0, slots * SLOT_BYTES, SLOT_BYTES))
        self._closed = False
        self._dead: list[_Locked] = []
        self.left_behind: list[Handling] = []

    @classmethod
    def open(cls, folder: Path, name: str, slots: int) -> RunningFile:
        """Raises OSError if the folder can't be written to."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        dead = [locked for path in sorted(folder.glob(f"{name}.*.running"))[:MAX_FILES] if (locked := _lock(path))]
        file = cls(*_new(folder, name), slots)
        file._dead = dead
        file.left_behind = [handling for locked in dead for handling in _handlings(locked)]
        return file

    def forget_the_dead(self) -> None:
        """What they left behind is safe elsewhere."""
        for path, descriptor in self._dead:
            path.unlink(missing_ok=True)
            os.close(descriptor)
        self._dead.clear()

    def begin(self, handling: Handling) -> int:
        """The slot to `end`. Beyond the file's slots nothing is noted."""
        if self._closed or not self._free:
            return -1
        at, text = self._free.pop(), orjson.dumps(tuple(handling))
        if len(text) > SLOT_BYTES - LENGTH_BYTES:
            text = orjson.dumps(tuple(handling._replace(ticket_id="", event_id="")))[: SLOT_BYTES - LENGTH_BYTES]
        behind = at + LENGTH_BYTES
        self._memory[behind : behind + len(text)] = text
        self._memory[at:behind] = len(text).to_bytes(LENGTH_BYTES, "big")
        return at

    def end(self, slot: int) -> None:
        if slot >= 0 and not self._closed:
            self._memory[slot : slot + LENGTH_BYTES] = b"\0\0"
            self._free.append(slot)

    def close(self) -> None:
        """The process ends as it should: what still runs is cut off and has no fault. Safe to call twice."""
        if not self._closed:
            self._closed = True
            self._path.unlink(missing_ok=True)
            self._memory.close()
            os.close(self._descriptor)


def under_way(folder: Path, name: str, *, since: float) -> list[Handling]:
    """What workers that began after `since` (Unix seconds) are handling, as an onlooker sees it, of files whose name begins with
    `name`. A note that is just being written may be missing."""
    found = list[Handling]()
    for path in folder.glob(f"{name}.*.running"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime > since:
                found += _read(path.read_bytes())
    return found


class _Locked(NamedTuple):
    path: Path
    descriptor: int


def _new(folder: Path, name: str) -> _Locked:
    for number in range(MAX_FILES):
        path = folder / f"{name}.{number}.running"
        if not path.exists() and (locked := _lock(path, os.O_CREAT | os.O_EXCL)):
            return locked
    raise OSError(f"{folder} has {MAX_FILES} files of {name}: remove those of processes that are gone")


def _lock(path: Path, flags: int = 0) -> _Locked | None:
    """The file, if nobody holds it."""
    try:
        descriptor = os.open(path, os.O_RDWR | flags, 0o600)
    except (FileExistsError, FileNotFoundError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    if os.fstat(descriptor).st_nlink == 0:  # removed by its owner between our opening and locking it
        os.close(descriptor)
        return None
    return _Locked(path, descriptor)


def _handlings(locked: _Locked) -> Iterator[Handling]:
    return _read(os.pread(locked.descriptor, MAX_BYTES_READ, 0))


def _read(content: bytes) -> Iterator[Handling]:
    for at in range(0, len(content), SLOT_BYTES):
        behind = at + LENGTH_BYTES
        length = int.from_bytes(content[at:behind], "big")
        try:
            yield Handling(*orjson.loads(content[behind : behind + length]))
        except (orjson.JSONDecodeError, TypeError):
            continue  # a free slot, or one that was being written
