"""`topics ensure --acls`: what can't be meant is refused before Kafka is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.ops.cli.main import run


@pytest.fixture(autouse=True)
def no_kafka(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("TICKETSTREAM_STATE_DIR", str(tmp_path))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--prune"], "add --acls"),
        (["--analyst", "anna"], "add --acls"),
        (["--principal-prefix", ""], "add --acls"),
        (["--acls", "--dry-run", "--prune"], "leave one of them out"),
        (["--acls", "--principal", "enrich"], "write SERVICE=NAME"),
        (["--acls", "--principal", "enrch=x"], "neither a service"),
        (["--acls", "--analyst", "a.b"], "an analyst's name is"),
        (["--acls", "--analyst", "enrich"], "'enrich' is a service"),
        (["--acls", "--analyst", "anna:tickets"], "there is no topic 'tickets'"),
        (["--acls", "--analyst", "anna", "--analyst", "anna:dead-letters"], "'anna' is named twice"),
        (
            ["--acls", "--analyst", "anna", "--principal", "anna=ticketstream-lag"],
            "a service's principal and an analyst's",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_can_not_be_meant_is_wrong_use(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["topics", "ensure", *words]) == 2
    said = capsys.readouterr().err
    assert says in said and len(said.splitlines()) == 1
