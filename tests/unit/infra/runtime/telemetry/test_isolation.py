"""A violation of tenant isolation is counted, logged and handed on, whatever becomes of it there."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from infra.runtime.telemetry import isolation
from infra.runtime.telemetry.isolation import Kind, Violation, subscribed, violation

COUNT = "ticketstream_tenant_isolation_violations_total"


def counted(kind: Kind) -> float | None:
    return REGISTRY.get_sample_value(COUNT, {"kind": kind.value})


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_there_before_the_first_one_happens(kind: Kind) -> None:
    """Else the first one would not be an increase."""
    assert counted(kind) is not None


def test_a_violation_is_counted_logged_and_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[tuple[str, dict[str, str]]] = []

    class Log:
        def error(self, event: str, **fields: str) -> None:
            lines.append((event, fields))

    monkeypatch.setattr(isolation, "log", Log())
    before, seen = counted(Kind.PROBER), list[Violation]()
    with subscribed(seen.append):
        violation(Kind.PROBER, "acme", other="nordwind", place="tickets")
    violation(Kind.PROBER, "acme")

    assert counted(Kind.PROBER) == (before or 0) + 2
    assert seen == [Violation(Kind.PROBER, "acme", "nordwind", {"place": "tickets"})]
    assert [event for event, _ in lines] == [isolation.MESSAGE] * 2
    assert lines[0][1] == {"kind": "prober", "tenant_id": "acme", "other_tenant_id": "nordwind", "place": "tickets"}


def test_a_subscriber_that_fails_disturbs_neither_the_reporter_nor_the_others() -> None:
    def fails(_: Violation) -> None:
        raise OSError("gone")

    seen: list[Violation] = []
    with subscribed(fails), subscribed(seen.append):
        violation(Kind.REFUSED_WRITE, "acme", refusal="x" * 5000)

    assert len(seen) == 1
    assert len(seen[0].detail["refusal"]) == isolation.MAX_DETAIL_CHARACTERS
