"""Record batches with header names that are no UTF-8, which no client library of ours can be made to send by its front door."""

from __future__ import annotations

from typing import Any

from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy


class OddName(str):
    """A header name that goes out as these bytes."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        return b"na\xefve"


def builder(*, compression: int = 0) -> Any:
    return _DefaultRecordBatchBuilderPy(
        magic=2,
        compression_type=compression,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1_000_000,
    )


def batch(*headers: list[tuple[str, bytes]], compression: int = 0) -> bytes:
    """One record for each list of headers, with its number as value, at offsets from 0."""
    made = builder(compression=compression)
    for number, of_record in enumerate(headers):
        made.append(number, timestamp=1, key=b"k", value=b"%d" % number, headers=of_record)
    return bytes(made.build())
