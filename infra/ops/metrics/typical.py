"""Fills a process's metrics with the label sets that a busy day brings, to see how many series there are and what a scrape takes.

`python -m infra.ops.metrics.typical PROCESS TENANTS` prints its inventory; with `--serve` it serves `/metrics` until stdin ends.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import product
from typing import Any

from prometheus_client import REGISTRY
from prometheus_client.registry import Collector

from infra.ops.metrics.processes import PROCESSES, declared_here, families, registered
from infra.runtime.telemetry.exposition import rendered
from infra.runtime.telemetry.internal_server import InternalServer
from schemas.topics import Stage

Labels = Sequence[tuple[str, ...]]

_ROUTE = "/api/v1/webhooks/{tenant_id}"
_REQUESTS = [
    ("POST", _ROUTE, status) for status in ("202", "200", "400", "403", "409", "413", "415", "422", "429", "503")
] + [
    ("POST", "/api/v1/feedback", "202"),
    ("GET", "/api/v1/feedback", "200"),
    ("GET", "/api/v1/feedback/stats", "200"),
    ("GET", "/f/{token}", "200"),
    ("POST", "/f/{token}", "200"),
    ("GET", "/keys", "200"),
    ("GET", "/openapi.json", "200"),
    ("GET", "unmatched", "404"),
]
_CONSOLE_REQUESTS = [
    ("GET", "/", "200"),
    ("GET", "/login", "200"),
    ("POST", "/login", "303"),
    ("POST", "/login", "401"),
    ("GET", "/static/{name}", "200"),
    ("POST", "/api/v1/commands/{command}", "200"),
    ("POST", "/api/v1/commands/{command}", "403"),
    ("GET", "unmatched", "404"),
]
SHARE = 0.1
"""Of the tenants: those of whom something is held, or refused, or behind."""

FEW: frozenset[object] = frozenset(
    {
        ("enrich", "ticketstream_desk_requests"),  # of tenants in bearer mode
        "ticketstream_lane_held_events",
        "ticketstream_lane_breaker_state",
        "ticketstream_reconcile_failures",
        "ticketstream_tokens_for_another_tenant",
        "ticketstream_lag_limited",
        "ticketstream_lag_held",
        "ticketstream_lag_oldest_seconds",
        "ticketstream_lag_in_flight",
    }
)
"""Metrics with a tenant that only such tenants have."""

TOGETHER: dict[str, Labels] = {
    "method route status": _REQUESTS,
    "method route": sorted({request[:2] for request in _REQUESTS}),
    "writer degraded": [("model", "no"), ("builtin", "no"), ("builtin", "yes")],
    "operation status": [("list_requests", "2xx"), ("get_request", "2xx"), ("get_request", "timeout")],
    "outcome reason": [("emit", ""), ("drop", "superseded"), ("hold", "database_unavailable")],
}
"""Labels that go together, beside stage and tenant."""

OF_PROCESS: dict[tuple[str, str], Labels] = {
    ("enrich", "outcome reason"): [
        ("emit", ""),
        ("drop", "unchanged"),
        ("drop", "superseded"),
        ("drop", "duplicate"),
        ("hold", "gathering"),
    ],
    ("deliver", "outcome reason"): [
        ("emit", ""),
        ("drop", "ticket_closed"),
        ("hold", "desk_unavailable"),
        ("hold", "desk_rate_limited"),
        ("dead_letter", "desk_refused"),
    ],
    ("feedback_aggregate", "outcome reason"): [("emit", "")],
    ("deliver", "operation status"): [
        ("get_request", "2xx"),
        ("get_request", "timeout"),
        ("add_note", "2xx"),
        ("add_note", "429"),
        ("add_note", "5xx"),
    ],
    ("ingest", "outcome"): [("queued",), ("duplicate",), ("bad_signature",), ("stale",), ("rate_limited",)],
    ("enrich", "outcome"): [("failed",)],
    ("synthesize", "outcome"): [("failed",)],
    ("deliver", "outcome"): [("success",), ("dropped",), ("failed",)],
    ("feedback_aggregate", "outcome"): [],
    ("console", "method route status"): _CONSOLE_REQUESTS,
    ("console", "method route"): sorted({request[:2] for request in _CONSOLE_REQUESTS}),
    ("console", "command result"): [
        *(("tenant show", result) for result in ("done", "failed", "refused", "wrong_use", "stopped")),
        *((command, "done") for command in ("investigate", "health", "lag show", "dead-letters list", "audit", "tail")),
    ],
    ("console", "reason"): [("none",), ("not_valid",), ("locked_out",)],
    ("reconcile", "outcome"): [("known",), ("fed_in",), ("too_young",), ("closed",), ("failed",)],
}
"""The same where it is another in a process."""

ALONE: dict[str, Sequence[str]] = {
    "reason": ("desk_unavailable", "desk_rate_limited", "timeout"),
    "status": ("ok", "model_unavailable", "model_rate_limited"),
    "operation": ("get_request", "add_note", "list_notes", "get_note", "list_requests", "access_token"),
    "kind": ("prompt", "completion"),
    "model": ("gpt-4-turbo", "gpt-4o-mini", "claude"),
    "topic": ("tickets.enriched", "dead-letters"),
    "source": ("ticket_history", "docs", "ip_data"),
    "reference": ("database", "broker"),
    "state": ("in_use", "idle"),
    "version": ("0.1.0",),
    "feedback_type": ("thumbs_up", "thumbs_down", "rating"),
    "rating": ("1", "2", "3", "4", "5"),
    "limited_by": ("cap", "hold"),
}


class UnknownLabel(LookupError):
    """A metric has a label of which nothing is known here: add what it typically is."""


def fill(process: str, tenants: int) -> None:
    """Every metric of the process, with its labels' typical values; its module must be imported already."""
    by_name = {family.name: collector for collector, family in _wrapped()}
    later = []
    for family, labels in list(families()):
        rows = list(label_sets(process, family.name, labels, tenants))
        if family.name in by_name and labels:
            for row in rows:
                by_name[family.name].labels(*row)
        elif family.name not in by_name:
            for row in rows:
                family.add_metric(row, 1)
            later.append(family)
    REGISTRY.register(_Filled(later))


def label_sets(process: str, name: str, labels: Sequence[str], tenants: int) -> Iterator[tuple[str, ...]]:
    """The values, in the labels' order. Raises UnknownLabel."""
    number = max(1, round(tenants * SHARE)) if name in FEW or (process, name) in FEW else tenants
    values: list[tuple[str, Labels]] = []
    if "stage" in labels:
        values.append(("stage", [(stage.value,) for stage in Stage] if process == "lag" else [(process,)]))
    if "tenant_id" in labels:
        values.append(("tenant_id", [(f"msp-tenant-{one:03d}",) for one in range(number)]))
    rest = " ".join(label for label in labels if label not in ("stage", "tenant_id"))
    together = OF_PROCESS.get((process, rest), TOGETHER.get(rest))
    if together is not None:
        values.append((rest, together))
    else:
        for label in rest.split():
            if label not in ALONE:
                raise UnknownLabel(f"{name}: {label}")
            values.append((label, [(value,) for value in ALONE[label]]))
    for row in product(*(rows for _, rows in values)):
        found = {
            label: value
            for (names, _), part in zip(values, row, strict=True)
            for label, value in zip(names.split(), part, strict=True)
        }
        yield tuple(found[label] for label in labels)


class _Filled(Collector):
    """Families that their process would make at each scrape."""

    def __init__(self, families: Iterable[Any]) -> None:
        self._families = list(families)

    def describe(self) -> list[Any]:
        return []

    def collect(self) -> list[Any]:
        return self._families


def _wrapped() -> Iterator[tuple[Any, Any]]:
    for collector in registered():
        if hasattr(collector, "labels"):
            for family in collector.describe():
                yield collector, family


def series(text: bytes) -> int:
    """How many there are in a scrape's text."""
    return sum(1 for line in text.splitlines() if line and not line.startswith(b"#"))


async def _serve() -> None:
    server = InternalServer(checks={})
    await server.start("127.0.0.1", 0)
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop()


def main(process: str, tenants: str, *options: str) -> None:
    importlib.import_module(PROCESSES[process])
    declared = declared_here()
    fill(process, int(tenants))
    if "--serve" in options:
        asyncio.run(_serve())
    else:
        found = {"declared": [asdict(one) for one in declared], "series": series(rendered())}
        sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
