"""The chart's README names every value, and its commands are ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from infra.ops.cli.main import COMMANDS
from infra.runtime.keys.rings import KeyRing
from tests.contract.helm.chart import CHART, ROOT, Rendered, values
from tests.contract.helm.conftest import Render
from tests.contract.helm.test_secrets import AUTHORITIES, secrets_of
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


def test_its_commands_make_the_secrets_but_for_what_is_put_in_by_hand(render: Render, tmp_path: Path) -> None:
    by_hand = {"kafka-password", "migrator-password", "openrouter-api-key", "signing.pem"}
    block = re.search(r"(?:^    .*\n)*^    umask .*\n(?:^    .*\n)*", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert block
    bash = ["bash", "-euo", "pipefail", "-c", block[0]]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    subprocess.run(bash, cwd=tmp_path, env={"PATH": path, "PYTHONPATH": str(ROOT)}, check=True, timeout=60)

    made = {(f"ticketstream-{file.parent.name}", file.name) for file in tmp_path.glob("secrets/*/*")}
    assert made == {one for one in _given(render("toolbox")) if one[1] not in by_hand}
    for process in ("ingest", "deliver", "reconcile", "operator"):
        for ring in (tmp_path / "secrets" / process).glob("*-keys"):
            assert ring.read_text() == (tmp_path / "secrets" / ring.name).read_text()
            assert KeyRing.parse(ring.read_text(), variable=ring.name).key_ids == ("k1",)


def _given(rendered: Rendered) -> set[tuple[str, str]]:
    found = set().union(*(secrets_of(template["spec"]) for template in rendered.pod_templates().values()))
    return {one for one in found if one[0] not in AUTHORITIES}
