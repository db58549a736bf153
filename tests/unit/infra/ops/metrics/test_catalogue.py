"""The metrics of all processes: named by Prometheus' conventions, with help and bounded labels, few enough, and in the handbook."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pytest

from infra.ops.metrics.catalogue import PAGE, page
from infra.ops.metrics.processes import OURS, PROCESSES, Declared, Inventory, of_all
from infra.ops.metrics.typical import UnknownLabel, label_sets

pytestmark = pytest.mark.timeout(400)  # every process is imported, on a machine that may be busy

TENANTS = 200
MOST_SERIES = 20_000

LABELS = frozenset(
    [
        "stage",
        "tenant_id",
        "outcome",
        "reason",
        "method",
        "route",
        "status",
        "operation",
        "source",
        "state",
        "version",
        "reference",
        "topic",
        "kind",
        "model",
        "writer",
        "degraded",
        "feedback_type",
        "rating",
        "limited_by",
        "command",
        "result",
        "name",
    ]
)
"""Each takes a few known values. A ticket, an event, a partition, a host or a text is none."""
WITH_TENANT = ("counter", "gauge")
DURATIONS_OF_TENANTS = frozenset({"ticketstream_webhook_to_note_seconds"})

NOT_BASE_UNITS = re.compile(
    r"_(milliseconds|ms|microseconds|us|nanoseconds|minutes|hours|days|kilobytes|kb|megabytes|mb|percent)(_|$)"
)
AGREED = frozenset(
    {
        "ticketstream_feedback_minutes_saved_total",
        "ticketstream_feedback_minutes_saved_answers_total",
        "ticketstream_audit_hours_dropped_total",
        "ticketstream_audit_hours_sealed_total",
    }
)
"""Technicians are asked for minutes; of hours the sealer counts whole ones, each of which has a seal."""


@pytest.fixture(scope="module")
def inventories() -> Mapping[str, Inventory]:
    return of_all(TENANTS)


@pytest.fixture(scope="module")
def metrics(inventories: Mapping[str, Inventory]) -> set[Declared]:
    return {metric for inventory in inventories.values() for metric in inventory.declared}


def wrong(metric: Declared) -> Iterator[str]:
    """What is against the conventions. Source: Prometheus, "Metric and label naming" and "Writing client libraries"."""
    if not re.fullmatch(r"(ticketstream|http)(_[a-z0-9]+)+", metric.name):
        yield "its name"
    if (metric.kind == "counter") != metric.name.endswith("_total"):
        yield "_total is for counters, and for all of them"
    if metric.kind != "counter" and metric.name.endswith(("_count", "_sum", "_bucket")):
        yield "a suffix that histograms have"
    if metric.kind == "histogram" and not metric.name.endswith(("_seconds", "_bytes")):
        yield "a histogram's unit"
    if NOT_BASE_UNITS.search(metric.name) and metric.name not in AGREED:
        yield "its unit is no base unit"
    if len(metric.help) < 15 or not metric.help.endswith("."):
        yield "it has no help"
    if unbounded := set(metric.labels) - LABELS:
        yield f"labels {unbounded} that are not known to be bounded"
    if "tenant_id" in metric.labels and metric.kind not in WITH_TENANT and metric.name not in DURATIONS_OF_TENANTS:
        yield "a tenant on a duration, which is a dozen series a tenant"


def test_every_metric_keeps_to_the_conventions(metrics: set[Declared]) -> None:
    assert len(metrics) > 50
    assert {metric.name: found for metric in metrics if (found := list(wrong(metric)))} == {}


@pytest.mark.parametrize(
    "metric",
    [
        Declared("ticketstream_events", "counter", (), "Events that came."),
        Declared("ticketstream_events_total", "gauge", (), "Events that came."),
        Declared("ticketstream_waited_ms", "gauge", (), "Time that was waited."),
        Declared("ticketstream_waited", "histogram", (), "Time that was waited."),
        Declared("ticketstream_open", "gauge", ("ticket_id",), "Tickets that are open."),
        Declared("ticketstream_step_seconds", "histogram", ("tenant_id",), "Time of a step."),
        Declared("ticketstream_open", "gauge", (), ""),
        Declared("notes_total", "counter", (), "Notes that were written."),
    ],
    ids=lambda metric: metric.name,
)
def test_what_is_against_the_conventions_is_found(metric: Declared) -> None:
    assert len(list(wrong(metric))) == 1


def test_a_name_means_the_same_in_every_process(metrics: set[Declared]) -> None:
    names = [metric.name for metric in metrics]
    assert sorted(names) == sorted(set(names))


def test_the_handbooks_page_is_up_to_date(inventories: Mapping[str, Inventory]) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(inventories), "make metrics"


def test_200_tenants_are_no_more_series_than_prometheus_should_keep_of_us(inventories: Mapping[str, Inventory]) -> None:
    assert set(inventories) == set(PROCESSES)
    counts = {name: inventory.series for name, inventory in inventories.items()}
    assert min(counts.values()) > 30, counts
    assert counts["deliver"] > 12 * TENANTS, "the histogram of every tenant is among them"
    assert sum(counts.values()) <= MOST_SERIES, counts


def test_every_label_of_ours_has_typical_values(inventories: Mapping[str, Inventory]) -> None:
    for process, inventory in inventories.items():
        for metric in inventory.declared:
            if metric.labels and metric.name.startswith(OURS):
                list(label_sets(process, metric.name, metric.labels, 2))


def test_a_label_of_which_nothing_is_known_is_no_small_number() -> None:
    with pytest.raises(UnknownLabel, match="ticket_id"):
        list(label_sets("deliver", "ticketstream_x", ("ticket_id",), 2))
