"""The chart's README names every value, and its commands are ours."""

from __future__ import annotations

import re

from infra.ops.cli.main import COMMANDS
from tests.contract.helm.chart import CHART, values
from tests.contract.helm.values_table import README, leaves, rows, table


def test_every_value_is_in_the_table() -> None:
    assert table() in README.read_text(encoding="utf-8"), "python -m tests.contract.helm.values_table writes it anew"


def test_every_value_says_what_it_is() -> None:
    said = {row.path for row in rows((CHART / "values.yaml").read_text(encoding="utf-8"))}
    silent = [path for path in leaves(values()) if not any(path[:length] in said for length in range(1, len(path) + 1))]

    assert silent == []


def test_commands_in_it_exist() -> None:
    used = set(re.findall(r"(?:`|-- |\")ticketstream ([a-z-]+) ", README.read_text(encoding="utf-8")))

    assert {"key", "lag"} <= used <= set(COMMANDS)
