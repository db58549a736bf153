"""What follows from findings: the whole, the text for people, the object for scripts."""

from __future__ import annotations

import pytest

from infra.ops.health import Finding, Health, Status
from infra.ops.health.finding import not_known, well, wrong

WELL = well("all answer")


@pytest.mark.parametrize(
    ("checks", "status"),
    [
        ({"processes": WELL, "alerts": WELL}, Status.HEALTHY),
        ({"processes": WELL, "alerts": not_known("no Prometheus")}, Status.HEALTHY),
        ({"processes": not_known("nobody says"), "alerts": WELL}, Status.UNKNOWN),
        ({"processes": not_known("nobody says"), "edge": wrong("503", "look")}, Status.UNHEALTHY),
    ],
)
def test_the_whole_is_healthy_only_if_all_that_is_needed_is_seen_and_well(
    checks: dict[str, Finding], status: Status
) -> None:
    assert Health(checks).status is status


def test_people_see_a_mark_the_words_and_the_next_command() -> None:
    found = Health(
        {
            "processes": WELL,
            "backlog": wrong("msp-one: 63 wait\nmsp-two: 51 wait", "ticketstream lag show"),
            "alerts": not_known("no Prometheus"),
        }
    )

    assert found.as_text().splitlines() == [
        "✓ processes  all answer",
        "✗ backlog    msp-one: 63 wait",
        "             msp-two: 51 wait",
        "             next: ticketstream lag show",
        "– alerts     no Prometheus",
        "unhealthy (see backlog; not known: alerts)",
    ]


def test_scripts_get_what_the_contract_says() -> None:
    told = Health({"edge": wrong("503", "look"), "alerts": not_known("no Prometheus")}).as_json()

    assert told["status"] == "unhealthy"
    assert told["checks"]["edge"] == {"ok": False, "detail": "503", "next": "look"}
    assert told["checks"]["alerts"] == {"ok": None, "detail": "no Prometheus", "next": None}
