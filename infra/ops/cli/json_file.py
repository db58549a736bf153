"""The FILE of `--json FILE`: opened before a command does anything, so that a secret which is shown only once has a place to go."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import Self

from infra.ops.cli.failure import Failure, WrongUse

PRIVATE = 0o600
_CURE = "give a file that you may write, in a folder that exists; nothing was done"


class JsonFile:
    """Only its owner may read it, since the object may hold a secret. A file that was made for a command which then wrote nothing
    is taken away again when the context ends; one that was there before keeps its text until there is a new one.

    Raises WrongUse where `path` can't be written. A pipe or a terminal is written as it is.
    """

    def __init__(self, path: str) -> None:
        self.path, self._written = path, False
        try:
            self._descriptor, self._made = _opened(path)
        except OSError as error:
            raise WrongUse(f"--json {path}: {error.strerror}", _CURE) from None
        found = os.fstat(self._descriptor)
        self._regular = stat.S_ISREG(found.st_mode)
        if self._regular and os.geteuid() not in (0, found.st_uid):
            os.close(self._descriptor)
            raise WrongUse(f"--json {path}: the file belongs to somebody else", _CURE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
        if self._made and not self._written:
            with suppress(OSError):
                os.unlink(self.path)  # noqa: PTH108 - a Path would read "" as the working folder

    def write(self, text: str) -> None:
        """The whole text in place of what was there. Raises Failure, and then leaves the file empty."""
        data = memoryview(text.encode("utf-8", "backslashreplace"))  # half a surrogate pair becomes JSON's own escape
        try:
            if self._regular:
                os.fchmod(self._descriptor, PRIVATE)
                os.ftruncate(self._descriptor, 0)
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            if self._regular:
                with suppress(OSError):
                    os.ftruncate(self._descriptor, 0)
            raise Failure(
                f"{self.path} can't be written ({error.strerror})", "the object is on stdout instead"
            ) from None
        self._written = True


def _opened(path: str) -> tuple[int, bool]:
    """The descriptor, and whether the file was made by this."""
    flags = os.O_WRONLY | os.O_CLOEXEC
    try:
        return os.open(path, flags | os.O_CREAT | os.O_EXCL, PRIVATE), True
    except FileExistsError:
        return os.open(path, flags), False
