"""Names in backticks are those of the code: metrics, alerts, variables, topics, reasons, settings, tables."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from schemas.topics import Topic
from tests.unit.infra.handbook.pages import HANDBOOK, PAGES, ROOT, page, shown
from tests.unit.infra.monitoring.alert_rules import alerts, names

CODE = ("infra", "ingest", "processors", "schemas", "sinks", "helm")
SUFFIXES = {".py", ".sql", ".avsc", ".yml", ".yaml", ".html", ".json", ".csv", ".jsonl", ".deluge", ".tpl", ".toml"}
OTHERS_NAMES = frozenset(
    {"CrashLoopBackOff", "ImagePullBackOff", "CreateContainerConfigError", "ContainerCreating", "Pending"}  # Kubernetes
    | {"TopicAuthorizationFailedError", "KafkaConnectionError", "GroupAuthorizationFailedError"}  # aiokafka
    | {"ScaledObject", "ServiceMonitor", "PrometheusRule", "NetworkPolicy"}
)
PAST = HANDBOOK / "decisions"
"""Decisions also name what was given up."""

METRIC = re.compile(r"(?:ticketstream|http)_[a-z_]+(?=$|\{)")
VARIABLE = re.compile(r"(?:TICKETSTREAM|KAFKA|OTEL|OPENROUTER|SCHEMA_REGISTRY|DATABASE_URL)[A-Z0-9_]*(?=$|=)")
ALERT = re.compile(r"(?:[A-Z][a-z]+){2,}$")
TOPIC = re.compile(r"(?:tickets|enhancements|feedback)\.[a-z_]+$")
SNAKE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+$")
SERIES = ("_bucket", "_sum", "_count")


@cache
def words_of_the_code() -> frozenset[str]:
    files = [file for folder in CODE for file in (ROOT / folder).rglob("*") if file.suffix in SUFFIXES]
    texts = [file.read_text(encoding="utf-8") for file in [*files, ROOT / ".env.example"]]
    return frozenset(word for text in texts for word in re.findall(r"[A-Za-z_][A-Za-z0-9_]*", text))


@cache
def metrics() -> frozenset[str]:
    """The generated page has all; a test keeps it up to date."""
    return frozenset(one for one in page(HANDBOOK / "metrics.md").inline if METRIC.match(one))


@cache
def roles() -> frozenset[str]:
    """Of the database; the services' are named after them."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "sinks/postgres/migrations").glob("*.sql"))
    return frozenset(re.findall(r"\bticketstream_[a-z_]+", text))


@cache
def variables() -> frozenset[str]:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^#([A-Z][A-Z0-9_]*)=", text, re.MULTILINE))


def unknown(code: str) -> str | None:
    """What kind of name it would be, where there is none like it."""
    if found := METRIC.match(code):
        name = next((found[0].removesuffix(end) for end in SERIES if found[0].endswith(end)), found[0])
        return None if {name, found[0]} & metrics() or name in roles() else "metric"
    if found := VARIABLE.match(code):
        known = variables() | words_of_the_code()
        return None if found[0] in known or found[0].endswith("_") else "variable"
    if ALERT.match(code):
        return None if code in OTHERS_NAMES or code in names() or code in words_of_the_code() else "alert"
    if TOPIC.match(code):
        return None if code in {topic.value for topic in Topic} else "topic"
    if SNAKE.match(code):
        return None if code in words_of_the_code() else "reason, setting, column or other name"
    return None


@pytest.mark.parametrize("file", [one for one in PAGES if one.parent != PAST], ids=shown)
def test_names_are_those_of_the_code(file: Path) -> None:
    wrong = {code: kind for code in page(file).inline if (kind := unknown(code))}

    assert wrong == {}


@pytest.mark.parametrize(
    "code",
    ["ticketstream_webhooks", "TICKETSTREAM_GRACE_SECOND", "HighQueueDept", "tickets.recieved", "desk_refuse", "http_request"],
)  # fmt: skip
def test_a_misspelt_name_is_noticed(code: str) -> None:
    assert unknown(code)


@pytest.mark.parametrize(
    "code", ["ticketstream_webhook_to_note_seconds_sum", "KAFKA_SASL_PASSWORD", "DeadLetters", "tickets.received", "desk_refused"]
)  # fmt: skip
def test_a_name_that_there_is_is_taken(code: str) -> None:
    assert unknown(code) is None


def test_every_alert_has_its_priority() -> None:
    """In the row of the alert, under its severity."""
    text = (HANDBOOK / "incidents/priorities.md").read_text(encoding="utf-8")
    rows = {
        found[1]: found[0].split("|")[2:5] for found in re.finditer(r"^\| \[(\w+)\]\([^)]+\).*$", text, re.MULTILINE)
    }
    severities = ["info", "warning", "critical"]
    listed = {
        (name, severity)
        for name, cells in rows.items()
        for severity, cell in zip(severities, cells, strict=True)
        if "P" in cell
    }

    assert listed == {(alert.name, alert.labels["severity"]) for alert in alerts()}
