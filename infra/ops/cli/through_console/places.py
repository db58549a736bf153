"""Where the files go that a command made at the console: to the places that were asked for, and nowhere else."""

from __future__ import annotations

import os
from base64 import b64decode
from binascii import Error
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.ops.cli.failure import Failure
from infra.ops.cli.served import Kind
from infra.ops.cli.through_console.request import RESULT

MOST_RESULT_BYTES = 256 * 1024 * 1024


class Places:
    """Only their owner may read the files. `result` is the text of `--json FILE`, which is written where that was opened."""

    def __init__(self, outputs: Mapping[str, tuple[Path, Kind]]) -> None:
        self._outputs = outputs
        self._open: tuple[str, int] | None = None
        self._result = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close()

    @property
    def result(self) -> str:
        return self._result.decode("utf-8", "replace")

    def take(self, name: object, piece: object) -> None:
        """A piece of a file; the pieces of one come one after the other. Raises Failure for what wasn't asked for, and where it
        can't be written."""
        try:
            data = b64decode(str(piece), validate=True)
        except (Error, ValueError):
            raise _no_console("a piece of a file that is not base64") from None
        if name == RESULT:
            self._result += data
            if len(self._result) > MOST_RESULT_BYTES:
                raise _no_console("an object without an end")
            return
        if self._open is None or self._open[0] != name:
            self._close()
            self._open = (str(name), self._opened(str(name)))
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._open[1], view) :]
        except OSError as error:
            raise Failure(
                f"{name} can't be written ({error.strerror})", "make room, and run the command again"
            ) from None

    def _opened(self, name: str) -> int:
        path = self._place(name)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise Failure(f"{path}: {error.strerror}", "name another place, and run the command again") from None

    def _place(self, name: str) -> Path:
        first, *inner = name.split("/")
        if first not in self._outputs or any(part in ("", ".", "..") or "\0" in part for part in inner):
            raise _no_console("a file that was not asked for")
        path, kind = self._outputs[first]
        if bool(inner) and kind is Kind.NEW_FILE:
            raise _no_console("a folder where a file was asked for")
        return path.joinpath(*inner)

    def _close(self) -> None:
        if self._open:
            os.close(self._open[1])
            self._open = None


def _no_console(what: str) -> Failure:
    return Failure(f"the console sent {what}", "check that TICKETSTREAM_CONSOLE_URL is our console, in our version")
