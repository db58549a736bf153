"""Emptying a partition goes on until nothing comes any more; and what is refused before anything is done."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any, cast

import pytest
from click.testing import CliRunner

from infra.ops.cli.commands.tenant import tenant
from infra.ops.leaving.erasing import Erasing, StillWritten, Times
from infra.ops.leaving.receipt import Partition, Receipt
from infra.runtime.kafka.topic_report import BrokersUnreachable
from sinks.postgres.erasure import Begun

AT = datetime(2026, 1, 31, 9, tzinfo=UTC)
TIMES = Times(known=0.0, quiet=3.0, patience=60.0, look=0.0)
BEGUN = Begun("msp-acme-corp", 7, AT, 1, {"tickets.received": (3, 9)})


class FakeRecords:
    """One topic's partition; `late` records arrive one at each look. Has no leader for the first calls, `away` of them."""

    def __init__(self, late: Iterator[int], away: int = 0) -> None:
        self.first, self.end, self.late, self.deletes, self.away = 3, 9, late, 0, away

    def extents(self, partition: int) -> dict[str, tuple[int, int]]:
        self.end += next(self.late, 0)
        return {"tickets.received": (self.first, self.end)}

    def delete(self, partition: int) -> None:
        self.away -= 1
        if self.away >= 0:
            raise BrokersUnreachable("no leader")
        self.first, self.deletes = self.end, self.deletes + 1


def emptying(records: FakeRecords) -> Erasing:
    """With a clock that goes on by half a second whenever it is looked at."""
    return Erasing(cast(Any, None), records, times=TIMES, monotonic=count(0.0, 0.5).__next__)


async def test_what_arrives_late_is_deleted_too_and_counted() -> None:
    records = FakeRecords(iter([0, 2, 0, 1]))

    assert await emptying(records)._empty(BEGUN) == {"tickets.received": Partition(3, 12, 0)}
    assert records.deletes == 3


async def test_a_leader_that_is_away_for_a_while_is_waited_for() -> None:
    records = FakeRecords(iter([0]), away=5)

    assert await emptying(records)._empty(BEGUN) == {"tickets.received": Partition(3, 9, 0)}
    with pytest.raises(BrokersUnreachable):
        await emptying(FakeRecords(iter([0]), away=500))._empty(BEGUN)


async def test_it_does_not_go_on_for_ever() -> None:
    with pytest.raises(StillWritten):
        await emptying(FakeRecords(iter(lambda: 1, 0)))._empty(BEGUN)


def receipt(**rows: int) -> Receipt:
    topics = {"tickets.received": Partition(3, 12, 0)}
    return Receipt(
        "msp-acme-corp", 7, AT, AT, 2, "An Engineer", "SUP-1", {"tickets": 4} | rows, {"audit_log": 5}, topics
    )


def test_a_receipt_tells_each_store_and_what_remains_and_its_hash_is_of_all_that() -> None:
    told = receipt().as_json()

    assert told["postgres"] == {"deleted": {"tickets": 4}, "kept": {"audit_log": 5}}
    assert told["kafka"]["tickets.received"] == {"first_offset": 3, "end_offset": 12, "deleted": 9, "left": 0}
    remains = {one["what"]: one["until"] for one in told["remains"]}
    assert "90 days" in remains["5 rows of audit_log"] and "backups of PostgreSQL" in remains
    assert receipt().as_json()["sha256"] == told["sha256"] != receipt(notes=1).as_json()["sha256"]
    text = "\n".join(receipt().lines())
    assert told["sha256"] in text and "in 2 runs" in text and "9  (offsets 3 to 12)" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["erase", "msp-acme-corp", "--reason", "r"], "add --yes"),
        (["erase", "msp-acme-corp", "--yes"], "--reason"),
        (["export", "msp-acme-corp", "--reason", "r"], "--out"),
        (["export", "msp-acme-corp", "--out", "x"], "--reason"),
    ],
)
def test_what_destroys_asks_first_and_both_want_a_reason(words: list[str], said: str) -> None:
    result = CliRunner().invoke(tenant, words)

    assert result.exit_code == 2 and said in result.output
