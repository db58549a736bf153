"""What `ticketstream replay` and `dead-letters` refuse before they ask any server, and how people give times."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.ops.cli.main import run
from infra.ops.cli.moment import moment

NOW = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "DATABASE_URL_OPERATOR", "DATABASE_URL_CONSOLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TICKETSTREAM_STATE_DIR", str(tmp_path / "state"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("replay --stage enrich --tenant t --since 1h --until 2h", "is not before --until"),
        ("replay --stage dream --tenant t --since 1h", "'dream' is not one of"),
        ("replay --stage enrich --tenant t --since 1h --yes", "--yes needs --reason: say why"),
        ("replay --stage enrich --tenant t --since 1h --yes --reason=", "--yes needs --reason: say why"),
        ("replay --stage enrich --since 1h", "give --tenant T[,T…] or --all-tenants"),
        ("replay --stage enrich --since 1h --tenant t --all-tenants", "give --tenant T[,T…] or --all-tenants"),
        ("replay --tenant t --since 1h", "--stage is missing"),
        ("replay --stage enrich --tenant t", "--since is missing"),
        ("replay --stage enrich --tenant t --since yesterday", "'yesterday' is no time"),
        ("replay --stage enrich --tenant t --since 2026-01-31T09:00:00", "with its zone"),
        ("replay --stage enrich --tenant t --since 1h --ticket ..", "is no ticket id"),
        ("replay --stage enrich --to deliver --tenant t --since 1h", "--to deliver comes after --stage enrich"),
        ("replay --stage deliver --to feedback_aggregate --tenant t --since 1h", "doesn't lead there"),
        ("replay --stage enrich --tenant t --since 1h --rate 0", "is not from 0.1/s to 1000/s"),
        ("replay --resume no-run", "'no-run' is no run"),
        ("replay --resume 00000000-0000-0000-0000-000000000000 --yes", "give nothing with it"),
        ("replay --resume 00000000-0000-0000-0000-000000000000 --tenant t", "give nothing with it"),
        ("dead-letters list --since 1h --until 2h", "--since is not before --until"),
        ("dead-letters replay --reason no_such", "there is no reason 'no_such'"),
        (f"dead-letters show 1:1 --raw {__file__}", "exists: give a new file"),
    ],
)
def test_wrong_use_is_said_in_words(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words.split()) == 2
    assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2h", datetime(2026, 1, 31, 7, 0, tzinfo=UTC)),
        ("90m ago", datetime(2026, 1, 31, 7, 30, tzinfo=UTC)),
        ("3d", datetime(2026, 1, 28, 9, 0, tzinfo=UTC)),
        ("2026-01-31T08:00:00Z", datetime(2026, 1, 31, 8, 0, tzinfo=UTC)),
        ("2026-01-31T09:30:00.1239+01:00", datetime(2026, 1, 31, 8, 30, 0, 123000, tzinfo=UTC)),
    ],
)
def test_a_moment_is_given_as_a_time_or_as_how_long_ago(text: str, at: datetime) -> None:
    assert moment(text, NOW) == at


@pytest.mark.parametrize("text", ["", "2", "h", "2w", "2026-01-31", "2026-01-31T09:00:00", "999999d", "-2h"])
def test_what_is_no_moment_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="2h"):
        moment(text, NOW)
