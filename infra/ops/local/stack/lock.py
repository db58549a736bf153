"""One stack at a time on a state folder."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Self

PATIENCE = 0.5
"""Seconds; longer than anybody who only asks holds the lock."""


class StateDirInUse(Exception):
    """Another process runs a stack on this state folder."""


class StateDirLock:
    """An advisory lock (flock) that ends with its process, however that ends. For use as `with`, or acquire and release."""

    def __init__(self, state_dir: Path) -> None:
        self._file = state_dir / "lock"
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Raises StateDirInUse, naming the process that has it."""
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + PATIENCE
        while not _locked(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
                os.close(descriptor)
                raise StateDirInUse(
                    f"A stack already runs on {self._file.parent} (process {holder}). Stop it with Ctrl-C there, or choose "
                    "another folder with TICKETSTREAM_STATE_DIR."
                )
            time.sleep(0.05)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Safe to call twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def is_locked(state_dir: Path) -> bool:
    """Whether a stack runs there."""
    try:
        descriptor = os.open(state_dir / "lock", os.O_RDWR)
    except OSError:
        return False
    try:
        return not _locked(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
