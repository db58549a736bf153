"""What the stage refuses to start with."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.runtime.settings import load
from processors.synthesize import settings
from processors.synthesize.settings import SynthesizeSettings


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("a key")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
    monkeypatch.setenv("DATABASE_URL_SYNTHESIZE", "postgresql://127.0.0.1/x")
    monkeypatch.setenv("TICKETSTREAM_SIGNING_KEY_FILE", str(tmp_path / "key.pem"))
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-planted-canary")


def test_a_key_with_what_it_takes_to_use_it() -> None:
    account = load(SynthesizeSettings).account
    assert account is not None


def test_a_key_without_the_package_is_refused_with_the_cure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(settings, "MODEL_PACKAGE", "no_such_package")
    with pytest.raises(SystemExit) as ended:
        load(SynthesizeSettings)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith("OPENROUTER_API_KEY: is set, but")
    assert "[model]" in said
    assert "canary" not in said
