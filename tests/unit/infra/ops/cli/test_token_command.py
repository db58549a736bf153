"""`ticketstream token`: whose token is meant is never guessed, and `--json` takes no tenant away."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.ops.cli.main import run


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DATABASE_URL_OPERATOR", "DATABASE_URL_CONSOLE", "TICKETSTREAM_OPERATOR_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TICKETSTREAM_STATE_DIR", str(tmp_path / "no-stack"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        (("create",), "give TENANT, or --person NAME"),
        (("create", "--all-tenants"), "give TENANT, or --person NAME"),
        (("create", "msp-one", "--role", "support"), "give TENANT, or --person NAME"),
        (("create", "msp-one", "--person", "Kim"), "--tenant or --all-tenants"),
        (("create", "--person", "Kim", "--role", "support"), "give --tenant T"),
        (("create", "--person", "Kim", "--role", "support", "--tenant", "a", "--all-tenants"), "give --tenant T"),
        (("create", "--person", "Kim", "--all-tenants"), "give --role support"),
        (("create", "--person", " ", "--role", "support", "--all-tenants"), "1-200 characters"),
        (("create", "--person", "Kim", "--role", "support", "--all-tenants", "--days", "366"), "at most 365 days"),
        (("list",), "give TENANT or --persons"),
        (("list", "msp-one", "--persons"), "give TENANT or --persons"),
        (("revoke", "--yes"), "give TENANT TOKEN_ID, or --person NAME"),
        (("revoke", "msp-one", "--yes"), "give TENANT TOKEN_ID, or --person NAME"),
        (("revoke", "a", "b", "--person", "Kim", "--yes"), "at most a TOKEN_ID"),
    ],
)
def test_what_is_not_clear_is_wrong_use(words: tuple[str, ...], cure: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["token", *words]) == 2
    assert cure in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("create", "--json", "msp-one"),
        ("list", "--json", "msp-one"),
        ("revoke", "--yes", "--json", "msp-one", "some-token"),
        ("list", "--persons", "--json"),
    ],
)
def test_json_gives_a_tenant_back(words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["token", *words]) == 1, "it got as far as looking for the database"
    assert "DATABASE_URL_OPERATOR is not set" in capsys.readouterr().err
    assert not (tmp_path / "msp-one").exists()
