"""A child process's log: appended to, bounded, its end shown when the process fails."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

LARGEST = 32 * 1024 * 1024
TAIL_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True)
class LogFile:
    """At most `largest` bytes beside one older file of the same size, named `<name>.1`. Readable by its owner only."""

    path: Path
    largest: int = LARGEST

    def open(self) -> IO[bytes]:
        """For a child to append to."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.trim()
        return os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")

    def trim(self) -> None:
        """Moves what there is to `<name>.1` when it is too large. What is written in the same moment may be lost."""
        with suppress(FileNotFoundError):
            if self.path.stat().st_size > self.largest:
                # Copied and emptied, not renamed: the child that appends to it keeps its descriptor.
                shutil.copyfile(self.path, self.path.with_name(f"{self.path.name}.1"))
                os.truncate(self.path, 0)

    def tail(self, lines: int = 15) -> str:
        """The last lines; empty without a file."""
        try:
            with self.path.open("rb") as log:
                log.seek(max(0, self.path.stat().st_size - TAIL_BYTES))
                return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""
