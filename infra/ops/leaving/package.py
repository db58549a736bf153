"""Where an export goes: a folder or a zip, whole or not at all, and for its owner's eyes only.

It is written beside its place under a name that ends with `.part` and renamed when all of it is there; what an export that was
cut off left behind is replaced by the next one.
"""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Self, TextIO

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
ZIP = ".zip"
BUFFER_BYTES = 64 * 1024


class NoPlace(Exception):
    """The package can't be written there; the text says why."""


@dataclass(slots=True)
class Member:
    """A file of the package, while it is written and after."""

    name: str
    size: int = 0
    _hash: Any = field(default_factory=sha256)

    @property
    def sha256(self) -> str:
        return str(self._hash.hexdigest())

    def take(self, data: bytes) -> None:
        self.size += len(data)
        self._hash.update(data)


class Package:
    """A context: leaves nothing behind unless `finish` was called. Raises NoPlace, and OSError where the disk is full."""

    def __init__(self, out: Path) -> None:
        self.out, self._part = out, out.with_name(f"{out.name}.part")
        self._zip: zipfile.ZipFile | None = None
        self._done = False

    def __enter__(self) -> Self:
        if self.out.exists():
            raise NoPlace(f"{self.out} is there already")
        if not self.out.absolute().parent.is_dir():
            raise NoPlace(f"there is no folder {self.out.absolute().parent}")
        try:
            self._clear()
            if self.out.suffix == ZIP:
                file = os.fdopen(os.open(self._part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE), "wb")
                self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
                self._file = file
            else:
                self._part.mkdir(mode=PRIVATE_FOLDER)
        except OSError as error:
            raise NoPlace(f"{self.out} can't be written ({error.strerror})") from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._zip and not self._done:
            self._zip.close()
            self._file.close()
        if not self._done:
            self._clear()

    @contextmanager
    def member(self, name: str, *, encoding: str = "utf-8") -> Iterator[tuple[TextIO, Member]]:
        """A text file to write; its size and hash are known when the context ends."""
        member = Member(name)
        with self._opened(name) as binary:
            buffered = io.BufferedWriter(_Hashing(binary, member), BUFFER_BYTES)
            text = io.TextIOWrapper(buffered, encoding=encoding, newline="")
            yield text, member
            text.flush()
            text.detach()

    def finish(self) -> None:
        """All of it is there, under its own name."""
        if self._zip:
            self._zip.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        self._part.rename(self.out)
        self._done = True

    @contextmanager
    def _opened(self, name: str) -> Iterator[BinaryIO]:
        if self._zip:
            with self._zip.open(name, "w", force_zip64=True) as inside:
                yield inside  # type: ignore[misc]  # it writes bytes
            return
        descriptor = os.open(self._part / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())

    def _clear(self) -> None:
        if self._part.is_dir() and not self._part.is_symlink():
            shutil.rmtree(self._part)
        else:
            self._part.unlink(missing_ok=True)


class _Hashing(io.RawIOBase):
    """Hands bytes on and counts them."""

    def __init__(self, onward: BinaryIO, member: Member) -> None:
        self._onward, self._member = onward, member

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        written = bytes(data)
        self._onward.write(written)
        self._member.take(written)
        return len(written)
