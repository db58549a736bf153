"""What each check makes of what it read."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from infra.ops.health.checks import alerts, backlog, errors, held
from infra.ops.health.checks.letters import Letters
from infra.ops.health.checks.waiting import Waits

NAMES = {"msp-one": "msp-one", "msp-two": "msp-two"}


@pytest.mark.parametrize(
    ("tickets", "said"), [(51, "above 50 warns"), (101, "above 100 pages"), (201, "above 200 goes to engineering")]
)
def test_a_backlog_that_alerts_is_wrong_and_says_what_it_does(tickets: int, said: str) -> None:
    found = backlog.judged({"msp-one": Waits(tickets, 12.0), "msp-two": Waits(3)}, NAMES)

    assert found.ok is False and found.detail == f"msp-one: {tickets} wait, the oldest for 12 s ({said})"
    assert found.next_command == "ticketstream lag show"


def test_a_backlog_as_at_the_morning_peak_is_well_and_told() -> None:
    found = backlog.judged({"msp-one": Waits(50, 40.0), "msp-two": Waits(3, 61.0)}, NAMES)

    assert (
        found.ok
        and found.detail == "53 wait, at most 50 of one tenant (msp-one, more than the usual 20), the oldest for 61 s"
    )


def test_a_short_queue_that_grows_old_is_wrong() -> None:
    assert backlog.judged({"msp-one": Waits(1, 301.0)}, NAMES).ok is False
    assert backlog.judged({"msp-one": Waits(1, 300.0)}, NAMES).ok


def test_what_its_own_desk_holds_up_is_not_the_platforms_backlog_but_told_as_held() -> None:
    waits = {"msp-one": Waits(120, 900.0, {"deliver": "desk_unavailable"}, 7)}

    assert backlog.judged(waits, NAMES) == backlog.judged({}, {})
    found = held.judged(waits, NAMES)
    assert found.ok is False and found.detail == "msp-one: desk_unavailable at deliver, 120 wait, 7 tries"


def test_a_tenant_that_somebody_disabled_is_told_and_nothing_is_wrong() -> None:
    found = held.judged({"msp-one": Waits(4, 10.0, {"enrich": "tenant_disabled"})}, NAMES)

    assert found.ok and found.detail == "none but the disabled msp-one"


def letters(**counts: int) -> Letters:
    return Letters(Counter({(reason, "msp-one"): count for reason, count in counts.items()}))


@pytest.mark.parametrize(
    ("found", "ok"),
    [
        (letters(), True),
        (letters(desk_refused=4), True),
        (letters(desk_refused=5), False),
        (letters(internal_error=1), False),
        (letters(crashes_worker=1), False),
    ],
)
def test_one_refused_ticket_is_no_trouble_but_many_are_and_any_bug_is(found: Letters, ok: bool) -> None:
    assert errors.judged(found, NAMES, None).ok is ok


def test_more_than_one_percent_of_failed_requests_is_wrong() -> None:
    assert errors.judged(letters(), NAMES, 0.01).ok
    found = errors.judged(letters(), NAMES, 0.011)
    assert found.ok is False and "1.1% of requests failed at the edge" in found.detail


def test_letters_of_tenants_that_one_may_not_touch_are_left_out_but_not_those_of_nobody() -> None:
    found = Letters(Counter({("internal_error", "msp-three"): 1, ("bad_signature", ""): 2}))

    told = errors.judged(found, NAMES, None)
    assert told.ok and told.detail == "dead letters of the last hour: 2 bad_signature"


def alert(name: str, severity: str, **labels: str) -> dict[str, Any]:
    return {
        "state": "firing",
        "labels": {"alertname": name, "severity": severity, **labels},
        "annotations": {"summary": f"it is about {labels.get('tenant_id')}", "runbook": f"infra/runbooks/{name}.md"},
    }


WATCHDOG = alert("Watchdog", "info")


def test_the_worst_alert_comes_first_and_its_runbook_is_next() -> None:
    found = alerts.judged([WATCHDOG, alert("ClockSkew", "warning"), alert("ProcessDown", "critical", job="lag")], NAMES)

    assert found.ok is False and found.next_command == "read the runbook infra/runbooks/ProcessDown.md"
    assert [line.split(":")[0] for line in found.detail.splitlines()] == [
        "ProcessDown (critical)",
        "ClockSkew (warning)",
    ]


def test_what_calls_nobody_is_no_trouble() -> None:
    assert alerts.judged([WATCHDOG, alert("TenantAtItsCap", "info", tenant_id="msp-one")], NAMES).ok


def test_an_alert_of_a_tenant_that_one_may_not_touch_is_left_out() -> None:
    assert alerts.judged([WATCHDOG, alert("TenantHeld", "warning", tenant_id="msp-three")], NAMES).ok


def test_nobody_is_named_while_nobody_knows_who_looks() -> None:
    found = alerts.judged([alert("TenantHeld", "warning", tenant_id="msp-one")], {"msp-one": "a tenant"})

    assert found.detail == "TenantHeld (warning): of a tenant"
