"""What is concluded from when calls began and ended."""

from __future__ import annotations

import pytest

from infra.ops.bench.call_spans import CallTimes, Span, busy_share, most_at_once, work_lasted_until
from infra.ops.local.model_server.ledger import ModelCall


def spans(*times: tuple[str, float, float]) -> list[Span]:
    return [Span(*one) for one in times]


def test_slots_are_busy_by_the_area_under_the_calls() -> None:
    assert busy_share(spans(("a", 0, 1), ("a", 0, 1)), 2) == 1.0
    assert busy_share(spans(("a", 0, 1), ("a", 1, 2), ("b", 0, 1)), 2) == 0.75
    assert busy_share(spans(("a", 0, 1), ("a", 1, 2), ("b", 0, 1)), 2, until=1) == 1.0


def test_work_lasts_while_enough_tenants_under_their_cap_have_some() -> None:
    calls = spans(("a", 0, 1), ("b", 0, 1), ("a", 1, 2), ("a", 2, 3))
    assert work_lasted_until(calls, 2, cap=2) == 2
    assert work_lasted_until(calls, 2, cap=1) == 1


def test_a_call_that_starts_as_another_ends_is_no_second_one() -> None:
    assert most_at_once(spans(("a", 0, 1), ("a", 1, 2), ("b", 0, 2), ("b", 0.5, 1))) == {"a": 1, "b": 2}


@pytest.mark.parametrize("subject", ["Labels (bench-07, 3)", "Labels (bench-small1, 3)"])
def test_the_ledger_knows_the_tenant_and_keeps_no_body(subject: str) -> None:
    now = iter([1.0, 2.5])
    ledger = CallTimes(lambda: next(now))
    call = ModelCall("m", 0.0, "h", "a", {"messages": [{"content": subject}]}, 100)
    ledger.ended(ledger.started(call), 200, 0.0)
    assert ledger.spans == [Span(subject[8:].split(",")[0], 1.0, 2.5)]
    assert not call.body
