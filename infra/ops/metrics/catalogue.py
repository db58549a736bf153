"""Writes `infra/handbook/metrics.md` from what the processes declare: `make metrics`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from infra.ops.metrics.processes import Declared, Inventory, of_all

PAGE = Path("infra/handbook/metrics.md")
_HEAD = """\
# Metrics

Made by `make metrics` from what the processes declare; a test fails while it isn't up to date.

Every process serves `/metrics` on its internal port (`endpoints.json` of the local stack, "internal", says where). The name of its
Prometheus job is the process's. See some of one process's:

    curl -s "$(python3 -c 'import json; print(json.load(open(".state/endpoints.json"))["internal"]["deliver"])')/metrics" \\
        | grep ticketstream_enhancements_total

- A ticket is never a label. A tenant is one on counters, on what is held or behind, and on the time from webhook to note; the
  durations of stages, desks and database are those of all tenants together.
- A counter counts in its own process, from its start on: use `increase()` or `rate()`, and `sum by (…)` over replicas. What alerts
  count of a tenant is there from the start with 0.
- Of a histogram `NAME` there are `NAME_bucket`, `NAME_sum` and `NAME_count`.
- A worker that is killed between an effect and its count loses that count, and an event that it hadn't committed is handled, and
  counted by `ticketstream_events_handled_total`, once more. Successes, drops and feedback count once: where a row changed.
- The libraries' own `process_…` and `python_…` (CPU, memory, open files, garbage) are there too.
"""


def page(by_process: Mapping[str, Inventory]) -> str:
    """The whole page."""
    where: dict[Declared, list[str]] = {}
    for process, inventory in by_process.items():
        for metric in inventory.declared:
            where.setdefault(metric, []).append(process)
    groups: dict[tuple[str, ...], list[Declared]] = {}
    for metric, found in where.items():
        groups.setdefault(tuple(found), []).append(metric)
    order, parts = list(by_process), [_HEAD]
    for group in sorted(groups, key=lambda names: (-len(names), [order.index(name) for name in names])):
        parts.append(f"\n## {'All processes' if len(group) == len(by_process) else ', '.join(group)}\n\n")
        parts.append("| metric | type | labels | says |\n|---|---|---|---|\n")
        parts += [_row(metric) for metric in sorted(groups[group], key=lambda one: one.name)]
    return "".join(parts)


def _row(metric: Declared) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help.replace('|', '&#124;')} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(of_all(1)), encoding="utf-8")
    sys.stdout.write(f"{PAGE} is up to date\n")
