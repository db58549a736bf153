"""The comparison of `bench telemetry`: pair by pair, with metrics that really count nothing on the other side."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from infra.ops.bench.figures import Bench
from infra.ops.bench.telemetry import LOGS, NO_METRICS, OFF, ON, PARTS, TRACES, _compared, _looked_at, _Runs
from infra.ops.bench.throughput import PLATFORM

COUNTS = """
from infra.runtime.telemetry import metrics
from infra.runtime.telemetry.exposition import rendered
metrics.EVENTS_HANDLED.labels("enrich", "msp-one", "emit", "").inc()
metrics.SLOTS.labels("enrich").set(5)
metrics.EVENT_SECONDS.labels("enrich").observe(1)
print(sum(not line.startswith(b"#") and line.startswith(b"ticketstream_") for line in rendered().splitlines()))
"""


def runs(*pairs: tuple[float, float]) -> _Runs:
    """Tickets a second and CPU of each."""
    return _Runs([Bench("run", {"tickets_per_second": rate, PLATFORM: cpu}) for rate, cpu in pairs])


def test_each_pair_is_compared_by_itself() -> None:
    bench = _compared({ON: runs((90, 11), (50, 21), (9, 110)), OFF: runs((100, 10), (50, 20), (10, 100))})
    assert bench.ratios == {"throughput_on_to_off": 0.9, "cpu_on_to_off": 1.1}
    assert (bench.figures["on_tickets_per_second"], bench.figures["off_tickets_per_second"]) == (50, 50)


def test_without_metrics_nothing_is_counted(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(NO_METRICS, encoding="utf-8")

    def series(environment: dict[str, str]) -> int:
        command = [sys.executable, "-c", COUNTS]
        return int(subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout)

    with_all, with_none = (_looked_at(parts, "http://127.0.0.1:4318", str(tmp_path)) for parts in (PARTS, ()))
    assert series(with_all) > 10
    assert series(with_none) == 0


def test_each_part_is_on_by_itself() -> None:
    collector = "http://127.0.0.1:4318"
    for parts, level, endpoint in (((LOGS,), "INFO", None), ((TRACES,), "ERROR", collector), ((), "ERROR", None)):
        environment = _looked_at(parts, collector, "no-metrics")
        assert environment["TICKETSTREAM_LOG_LEVEL"] == level
        assert environment.get("OTEL_EXPORTER_OTLP_ENDPOINT") == endpoint
        assert environment["PYTHONPATH"].startswith("no-metrics")
    assert not _looked_at(PARTS, collector, "no-metrics").get("PYTHONPATH", "").startswith("no-metrics")
