"""`python -m infra.monitoring.dashboards`: write the dashboards' files anew."""

from __future__ import annotations

from pathlib import Path

from infra.monitoring.dashboards.baseline import BASELINE_METRICS
from infra.monitoring.dashboards.operations import OPERATIONS

FOLDER = Path(__file__).parent
FILES = {"operations.json": OPERATIONS, "baseline-metrics.json": BASELINE_METRICS}


def main() -> None:
    for name, page in FILES.items():
        (FOLDER / name).write_text(page.json(), encoding="utf-8")


if __name__ == "__main__":
    main()
