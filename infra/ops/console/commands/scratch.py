"""A call's folder, gone when the call ends: the files that came with it, and those that the command makes. Nothing of a caller's is
ever a path outside it."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

from infra.ops.console.refusals import Refused

MOST_FILES = 2_000
LONGEST_NAME = 200
DEEPEST = 8
PREFIX = "ticketstream-console-"


class Scratch:
    """`work` is where the command runs, so that a file's name alone names it."""

    def __init__(self, within: Path | None = None) -> None:
        self._within = within

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=self._within))
        self.work, self.outcome = self.folder / "work", self.folder / "outcome.json"
        self.work.mkdir(mode=0o700)
        self._made: list[str] = []
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def take(self, given: Any, *, folder_okay: bool) -> str:
        """The name of a file or folder that came with the call: `{"name", "base64"}`, or for a folder `{"name", "files": {path:
        base64}}`. Refuses (400) what is none."""
        if not isinstance(given, dict):
            raise _wrong("a file is given by its content", 'write {"name": "key.txt", "base64": "…"}')
        name = self._free(given.get("name"))
        if isinstance(given.get("base64"), str):
            self._write(self.work / name, given["base64"])
            return name
        if not folder_okay or not isinstance(given.get("files"), Mapping):
            raise _wrong(f"{name} has no content", 'write {"name": "key.txt", "base64": "…"}')
        if len(given["files"]) > MOST_FILES:
            raise _wrong(f"{name} has more than {MOST_FILES} files", "send them in parts")
        (self.work / name).mkdir(mode=0o700)
        for inner, content in given["files"].items():
            target = self.work / name / _inner(inner)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(target, content)
        return name

    def reserve(self, given: Any) -> str:
        """The name of a file or folder that the command makes."""
        name = self._free(given)
        self._made.append(name)
        return name

    def made(self) -> Iterator[tuple[str, Path]]:
        """What the command made of that which was reserved, file by file: its path with the reserved name first, and where it is.
        Plain files only."""
        for name in self._made:
            for path in sorted(_files(self.work / name)):
                yield path.relative_to(self.work).as_posix(), path

    def _free(self, name: Any) -> str:
        if not isinstance(name, str) or not _plain(name):
            raise _wrong("that is no file's name", "give the last part of its path: at most 200 printable characters")
        if (self.work / name).exists() or name in self._made:
            raise _wrong(f"two files are called {name}", "give each a name of its own")
        return name

    def _write(self, path: Path, content: Any) -> None:
        try:
            data = b64decode(content, validate=True)
        except (Error, TypeError, ValueError):
            raise _wrong(f"{path.name} is not base64", "encode the file's bytes, without line breaks") from None
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(data)


def _plain(name: str) -> bool:
    return (
        0 < len(name) <= LONGEST_NAME
        and name not in (".", "..")
        and name.isprintable()
        and not name.startswith("-")
        and "/" not in name
        and "\\" not in name
        and len(os.fsencode(name)) <= 255
    )


def _inner(path: Any) -> PurePosixPath:
    parts = path.split("/") if isinstance(path, str) else []
    if not 0 < len(parts) <= DEEPEST or not all(_plain(part) for part in parts):
        raise _wrong("a path within the folder is not plain", "use names of printable characters, / between them")
    return PurePosixPath(*parts)


def _files(path: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            yield path
        elif stat.S_ISDIR(mode):
            for inner in path.iterdir():
                yield from _files(inner)


def _wrong(what: str, cure: str) -> Refused:
    return Refused(400, what, cure, reason="wrong_use")
