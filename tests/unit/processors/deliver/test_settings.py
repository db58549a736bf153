"""Settings that are wrong are named before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from infra.runtime.keys.rings import new_ring_key
from infra.runtime.settings import explain
from processors.deliver.settings import DeliverSettings


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    key_file = tmp_path / "deliver.pem"
    key_file.touch()
    for name, value in {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
        "TICKETSTREAM_SIGNING_KEY_FILE": str(key_file),
        "DATABASE_URL_DELIVER": "postgresql://ticketstream_deliver@127.0.0.1/ticketstream",
        "TICKETSTREAM_PUBLIC_URL": "https://ts.example",
        "TICKETSTREAM_CREDENTIAL_KEYS": new_ring_key("c1"),
        "TICKETSTREAM_LINK_KEYS": new_ring_key("l1"),
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_rings_are_opened_from_the_environment(environment: pytest.MonkeyPatch) -> None:
    settings = DeliverSettings()
    assert (settings.credential_ring.key_ids, settings.link_ring.key_ids) == (("c1",), ("l1",))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TICKETSTREAM_LINK_KEYS", "k1:c2hvcnQ="),
        ("TICKETSTREAM_CREDENTIAL_KEYS", "k1:c2hvcnQ="),
        ("TICKETSTREAM_PUBLIC_URL", "ts.example"),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(environment: pytest.MonkeyPatch, variable: str, value: str) -> None:
    environment.setenv(variable, value)
    with pytest.raises(ValidationError) as wrong:
        DeliverSettings()
    (line,) = explain(DeliverSettings, wrong.value)
    assert line.startswith(f"{variable}: ")
    assert "c2hvcnQ" not in line
