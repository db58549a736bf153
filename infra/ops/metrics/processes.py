"""Which processes are scraped, under the names of their Prometheus jobs, and the metrics that each of them declares."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol, cast

from prometheus_client import REGISTRY
from prometheus_client.registry import Collector

from schemas.topics import Stage

_ALL: Mapping[str, str] = {
    "ingest": "ingest.__main__",
    **{stage.value: f"processors.{stage.value}.__main__" for stage in Stage},
    "reconcile": "infra.ops.reconcile.__main__",
    "sealer": "infra.ops.audit.__main__",
    "lag": "infra.ops.lag.__main__",
    "console": "infra.ops.console.__main__",
}
PROCESSES: Mapping[str, str] = {name: module for name, module in _ALL.items() if find_spec(module)}
OURS = ("ticketstream_", "http_")
_ROOTS = frozenset({"ingest", "processors", "sinks", "infra"})
_AT_A_TIME = 2
_SECONDS = 300.0


class Describes(Protocol):
    def describe(self) -> Iterable[Any]:
        """Families without samples. Must not need what the process does."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A metric as its process declares it. `name` is the one to ask Prometheus for; of a histogram `_bucket`, `_sum` and `_count`
    follow it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """Of one process: what it declares, and how many series its scrape has with typical labels, the libraries' own among them."""

    declared: tuple[Declared, ...]
    series: int


def of_all(tenants: int) -> dict[str, Inventory]:
    """By process, each asked in an interpreter of its own."""

    def ask(name: str) -> Inventory:
        found = json.loads(run("infra.ops.metrics.typical", name, str(tenants)))
        declared = tuple(Declared(**{**one, "labels": tuple(one["labels"])}) for one in found["declared"])
        return Inventory(declared, found["series"])

    with ThreadPoolExecutor(_AT_A_TIME) as threads:
        return dict(zip(PROCESSES, threads.map(ask, PROCESSES), strict=True))


def run(module: str, *arguments: str) -> str:
    """What a module prints. Raises CalledProcessError."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=_SECONDS, check=True).stdout  # noqa: S603


def declared_here() -> list[Declared]:
    """Ours, of this interpreter, into which one process's module was imported and nothing else."""
    found = [_declared(family, labels) for family, labels in families() if family.name.startswith(OURS)]
    return sorted(found, key=lambda one: one.name)


def families() -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Each family without samples, and its label names."""
    for collector in registered():
        for family in collector.describe():
            yield family, tuple(getattr(collector, "_labelnames", ()))
    for own in _registered_later():
        for family in own.describe():
            yield family, tuple(family._labelnames)


def registered() -> list[Describes]:
    """What describes itself; the libraries' own collectors don't all."""
    return [cast(Describes, one) for one in list(REGISTRY._collector_to_names) if hasattr(one, "describe")]


def _registered_later() -> list[Describes]:
    """Collectors of ours that are made when their process runs."""
    kinds: list[Any] = Collector.__subclasses__()
    return [kind.__new__(kind) for kind in kinds if kind.__module__.partition(".")[0] in _ROOTS]


def _declared(family: Any, labels: Iterable[str]) -> Declared:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return Declared(name, family.type, tuple(labels), family.documentation)
