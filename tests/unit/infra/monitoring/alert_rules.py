"""The alert rules as the tests read them, and Prometheus's own tools."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[4]
RULES = sorted((ROOT / "infra/monitoring/rules").glob("*.yml"))
CASES = sorted(Path(__file__).parent.glob("*.yml"))

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_:]*")
_NO_METRIC = re.compile(r"\{[^}]*\}|\[[^\]]*\]")
_FUNCTION = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\s*\(")
_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "by", "on", "without", "e", "Inf", "NaN"})


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule; several may have one name, each with a severity of its own."""

    name: str
    expr: str
    labels: dict[str, str]
    annotations: dict[str, str]


def rules() -> list[dict[str, Any]]:
    """All rules of all files."""
    files = (yaml.safe_load(file.read_text(encoding="utf-8")) for file in RULES)
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def alerts() -> list[Alert]:
    return [
        Alert(rule["alert"], rule["expr"], rule["labels"], rule["annotations"]) for rule in rules() if "alert" in rule
    ]


def names() -> list[str]:
    """Of the alerts, each once."""
    return sorted({alert.name for alert in alerts()})


def metrics(expr: str) -> set[str]:
    """The metrics that an expression names."""
    bare = _FUNCTION.sub("(", _GROUPING.sub("", _NO_METRIC.sub("", _QUOTED.sub("", expr))))
    return {
        name for name in _NAME.findall(bare) if name not in _WORDS and not re.fullmatch(r"\d+[smhdwy]|[smhdwy]", name)
    }


def tool(name: str, package: str, *arguments: str) -> str:
    """Its output, of a call that ended well. Skips where it is missing, but in CI."""
    if (found := shutil.which(name)) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is missing: apt-get install {package}", pytrace=False)
        pytest.skip(f"{name} is missing: apt-get install {package}")
    done = subprocess.run([found, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def promtool(*arguments: str) -> str:
    return tool("promtool", "prometheus", *arguments)


def amtool(*arguments: str) -> str:
    return tool("amtool", "prometheus-alertmanager", *arguments)
