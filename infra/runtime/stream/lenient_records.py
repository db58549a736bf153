"""Fetched records whose header names may be anything.

aiokafka 0.14 decodes header names as strict UTF-8 while it reads a batch: one record with another name, which a broker takes, made
its fetcher raise, the worker end, and its successor again. Here such a name is read with U+FFFD in it, so that the record comes
through to be refused like any other that isn't ours. Source: KIP-82 (a header's key is a string; brokers don't look at its bytes).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, SupportsIndex

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

_LENGTH_AT, _BEFORE_LENGTH_COUNTS = 8, 12
"""A batch begins with its base offset (8 bytes) and the length of what follows (4 bytes)."""


def install() -> None:
    """For all consumers of this process."""
    fetcher.MemoryRecords = LenientRecords


class LenientRecords:
    """In place of aiokafka's `MemoryRecords`: the batches of one fetch of one partition."""

    def __init__(self, data: bytes) -> None:
        self._data, self._records, self._at = data, MemoryRecords(data), 0

    def size_in_bytes(self) -> int:
        return int(self._records.size_in_bytes())

    def has_next(self) -> bool:
        return bool(self._records.has_next())

    def next_batch(self) -> Any:
        batch, start = self._records.next_batch(), self._at
        (length,) = struct.unpack_from(">i", self._data, start + _LENGTH_AT)
        self._at = start + _BEFORE_LENGTH_COUNTS + length
        return batch and _Batch(batch, memoryview(self._data)[start : self._at])


class _Batch:
    """A batch that is read at once. All but its records is the stock batch's."""

    def __init__(self, batch: Any, raw: memoryview) -> None:
        self._batch, self._raw = batch, raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(list(self._batch))
        except UnicodeDecodeError:
            return iter(_LenientBatch(self._raw))


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    """Slow, and rarely needed: aiokafka's reader in plain Python over bytes that decode to something whatever they are."""

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _Bytes(self._buffer)  # type: ignore[has-type]


class _Bytes(bytearray):
    def __getitem__(self, at: SupportsIndex | slice) -> Any:
        part = super().__getitem__(at)
        return _Bytes(part) if isinstance(part, bytearray) else part

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:
        return super().decode(encoding, "replace")
