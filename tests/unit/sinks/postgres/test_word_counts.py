"""Counts are remembered for a minute, a bounded number of them, never across tenants or corpora."""

from __future__ import annotations

import pytest

from sinks.postgres.word_counts import WordCounts


class Seconds:
    value = 1000.0

    def __call__(self) -> float:
        return self.value


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


def test_what_was_added_is_there_for_a_minute_and_then_gone(seconds: Seconds) -> None:
    counts = WordCounts(now=seconds)
    counts.of("a", "tickets")["vpn"] = 3
    seconds.value += 30
    counts.of("a", "tickets")["printer"] = 5
    assert counts.of("a", "tickets") == {"vpn": 3, "printer": 5}
    seconds.value += 30  # counted from the first: all are of one time
    assert counts.of("a", "tickets") == {}


def test_tenants_and_corpora_keep_apart(seconds: Seconds) -> None:
    counts = WordCounts(now=seconds)
    counts.of("a", "tickets")["vpn"] = 3
    assert counts.of("b", "tickets") == {}
    assert counts.of("a", "articles") == {}


def test_words_are_bounded_and_the_tenant_that_was_asked_least_lately_goes_first(seconds: Seconds) -> None:
    counts = WordCounts(size=10, now=seconds)
    for tenant in ("a", "b"):
        counts.of(tenant, "tickets").update({f"word{number}": 1 for number in range(4)})
    assert counts.of("a", "tickets")  # later than b
    counts.of("c", "tickets").update({f"word{number}": 1 for number in range(4)})
    assert len(counts.of("a", "tickets")) == 4
    assert counts.of("b", "tickets") == {}


def test_one_tenant_alone_is_bounded_too(seconds: Seconds) -> None:
    counts = WordCounts(size=10, now=seconds)
    counts.of("a", "tickets").update({f"word{number}": 1 for number in range(11)})
    assert counts.of("a", "tickets") == {}
