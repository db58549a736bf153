"""Batches are read as aiokafka reads them, and those that it gives up are read all the same."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords

from infra.runtime.stream import faust_consumer
from infra.runtime.stream.lenient_records import LenientRecords
from tests.unit.infra.runtime.stream.odd_batches import OddName, batch

GOOD = [("ce_id", b"1"), ("signature", b"")]
ODD = [("ce_id", b"2"), (OddName("x"), b"v")]
GZIP = DefaultRecordBatch.CODEC_GZIP


def read(records: Any) -> list[tuple[int, bytes | None, list[tuple[str, bytes | None]]]]:
    found = []
    while records.has_next():
        found += [(record.offset, record.value, list(record.headers)) for record in records.next_batch()]
    return found


def test_aiokafka_still_gives_such_a_batch_up() -> None:
    """When this fails, the module can go."""
    with pytest.raises(UnicodeDecodeError):
        read(MemoryRecords(batch(ODD)))


@pytest.mark.parametrize("compression", [0, GZIP])
def test_a_name_that_is_no_text_comes_through_with_its_neighbours(compression: int) -> None:
    data = batch(GOOD, ODD, GOOD, compression=compression)
    assert read(LenientRecords(data)) == [
        (0, b"0", GOOD),
        (1, b"1", [("ce_id", b"2"), ("na\ufffdve", b"v")]),
        (2, b"2", GOOD),
    ]


def test_good_batches_beside_it_are_read_as_ever() -> None:
    data = batch(GOOD, GOOD) + batch(ODD) + batch(GOOD)
    values = [(value, len(headers)) for _, value, headers in read(LenientRecords(data))]
    assert values == [(b"0", 2), (b"1", 2), (b"0", 2), (b"0", 2)]


def test_what_else_is_known_of_a_batch_is_the_stock_batchs() -> None:
    data = batch(GOOD, ODD)
    ours, stock = LenientRecords(data).next_batch(), MemoryRecords(data).next_batch()
    for name in ("base_offset", "next_offset", "is_control_batch", "is_transactional", "producer_id", "crc"):
        assert getattr(ours, name) == getattr(stock, name)
    assert ours.validate_crc()


def test_a_torn_end_is_left_for_the_next_fetch() -> None:
    whole, records = batch(GOOD), LenientRecords(batch(GOOD) + batch(ODD)[:-3])
    assert len(read(records)) == 1
    assert records.size_in_bytes() > len(whole)


def test_the_stages_consumers_read_this_way() -> None:
    assert faust_consumer.__doc__ is not None  # it is loaded
    assert fetcher.MemoryRecords is LenientRecords
