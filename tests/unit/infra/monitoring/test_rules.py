"""The alert rules: valid, firing when they should and not before, of metrics that exist, each with a runbook of its name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
RULES = sorted((ROOT / "infra/monitoring/rules").glob("*.yml"))
FIRING = sorted(Path(__file__).parent.glob("*.yml"))
CODE = ("schemas", "ingest", "processors", "sinks", "infra")

_ALERT = re.compile(r"^ +- alert: (\w+)$", re.MULTILINE)
_METRIC = re.compile(r"\bticketstream_[a-z_]+")


def alerts() -> dict[str, str]:
    """The text of each alert by its name."""
    found: dict[str, str] = {}
    for file in RULES:
        _, *parts = _ALERT.split(file.read_text(encoding="utf-8"))
        found |= dict(zip(parts[::2], parts[1::2], strict=True))
    return found


def promtool(*arguments: str) -> str:
    """Its output. Skips where it is missing, but in CI."""
    if (tool := shutil.which("promtool")) is None:
        if os.environ.get("CI") == "true":
            pytest.fail("promtool is missing: apt-get install prometheus", pytrace=False)
        pytest.skip("promtool is missing: apt-get install prometheus")
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("file", RULES, ids=lambda file: file.name)
def test_the_rules_are_valid(file: Path) -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(file))


@pytest.mark.parametrize("file", FIRING, ids=lambda file: file.name)
def test_alerts_fire_when_they_should_and_only_then(file: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", str(file))


def test_every_alert_is_seen_to_fire_and_not_to_fire() -> None:
    cases = "".join(file.read_text(encoding="utf-8") for file in FIRING)
    silent = set(re.findall(r"alertname: (\w+), exp_alerts: \[\]", cases))
    fires = set(re.findall(r"alertname: (\w+)\n +exp_alerts:\n", cases))

    assert set(alerts()) - silent == set()
    assert set(alerts()) - fires == set()


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_what_to_do(name: str) -> None:
    text = alerts()[name]

    assert re.search(r"severity: (critical|warning|info)\}", text)
    assert {"summary", "description", "runbook"} <= set(re.findall(r"^ {10}(\w+):", text, re.MULTILINE))
    assert f"runbook: infra/runbooks/{name}.md" in text
    runbook = (ROOT / f"infra/runbooks/{name}.md").read_text(encoding="utf-8")
    assert runbook.startswith(f"# {name}\n")
    assert all(f"**{part}" in runbook for part in ("Means:", "Check", "Mitigate", "Escalate:"))


def test_every_metric_in_the_rules_is_one_of_the_code() -> None:
    code = "".join(file.read_text(encoding="utf-8") for top in CODE for file in (ROOT / top).rglob("*.py"))
    named = {name for file in RULES for name in _METRIC.findall(file.read_text(encoding="utf-8"))}

    assert len(named) >= 4
    assert {name for name in named if f'"{name}"' not in code} == set()


def test_the_outcomes_in_the_rules_are_the_edges() -> None:
    edge = (ROOT / "ingest/webhooks.py").read_text(encoding="utf-8")
    named = {
        outcome
        for file in RULES
        for outcomes in re.findall(r'outcome=~?"([\w|]+)"', file.read_text(encoding="utf-8"))
        for outcome in outcomes.split("|")
    }

    assert named == {"bad_signature", "stale", "unknown_tenant", "queued", "duplicate"}
    assert {outcome for outcome in named if f'"{outcome}"' not in edge} == set()
