"""Which benches there are."""

from __future__ import annotations

import re
from pathlib import Path

from infra.ops.cli.commands.bench import NAMES

ROOT = Path(__file__).resolve().parents[5]


def test_make_bench_runs_every_one() -> None:
    (named,) = re.findall(r"^bench:.*\n.*for name in ([a-z ]+);", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert sorted(named.split()) == sorted(NAMES)
