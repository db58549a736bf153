"""The file that an export goes to: whole or not at all, and for its owner's eyes only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from infra.ops.leaving.package import PRIVATE_FILE, NoPlace


@contextmanager
def out_file(path: Path) -> Iterator[BinaryIO]:
    """Written beside its place under a name that ends with `.part`; what an export that was cut off left behind is replaced. Raises
    NoPlace, and OSError where the disk is full."""
    if path.exists():
        raise NoPlace(f"{path} is there already")
    part = path.with_name(f"{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE)
    except OSError as error:
        raise NoPlace(f"{path} can't be written ({error.strerror})") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
