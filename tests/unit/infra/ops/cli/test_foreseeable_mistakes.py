"""What people get wrong is said in words, with the variable or the file and the cure; never as a bug, never with a secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from infra.ops.cli.commands.tenant.credential_file import read_credential
from infra.ops.cli.failure import Failure, WrongUse
from infra.ops.cli.main import run
from infra.ops.cli.running import run_async
from infra.ops.cli.surroundings import Surroundings

CLOUD = dict.fromkeys(("client_id", "client_secret", "refresh_token"), "x") | {
    "accounts_url": "https://accounts.zoho.eu"
}


@pytest.fixture(autouse=True)
def no_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "DATABASE_URL_OPERATOR", "DATABASE_URL_CONSOLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TICKETSTREAM_STATE_DIR", str(tmp_path / "state"))


@pytest.mark.parametrize(
    ("command", "variables", "named"),
    [
        ("database migrate", {"DATABASE_URL": "s3cret"}, "DATABASE_URL does not begin with postgresql://"),
        ("database migrate", {"DATABASE_URL": "postgresql://a:b@h:s3cret/x"}, "DATABASE_URL has a port"),
        ("database migrate", {"DATABASE_URL": "postgresql://a:s3cret@[::1/x"}, "DATABASE_URL is no address"),
        ("database migrate", {"DATABASE_URL": "postgresql://h/x?sslmode=s3cret"}, "sslmode"),
        (
            "tenant list",
            {"DATABASE_URL_OPERATOR": "postgresql://a:s3cret/b@h:5432/x"},
            "DATABASE_URL_OPERATOR has a port",
        ),
        ("tenant list", {"DATABASE_URL_CONSOLE": "postgresql://a:s3cret@h:70000/x"}, "DATABASE_URL_CONSOLE has a port"),
        ("topics ensure", {"KAFKA_SECURITY_PROTOCOL": "s3cret"}, "KAFKA_SECURITY_PROTOCOL: "),
        ("dead-letters list", {"KAFKA_SECURITY_PROTOCOL": "s3cret"}, "KAFKA_SECURITY_PROTOCOL: "),
        ("topics ensure", {"KAFKA_BOOTSTRAP_SERVERS": "ab"}, "KAFKA_BOOTSTRAP_SERVERS: "),
        ("dead-letters list", {"KAFKA_BOOTSTRAP_SERVERS": "ab"}, "KAFKA_BOOTSTRAP_SERVERS: "),
        ("topics ensure", {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_PASSWORD": "s3cret"}, "KAFKA_SASL_"),
        ("tail", {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_PASSWORD": "s3cret"}, "KAFKA_SASL_"),
        ("topics ensure", {"TICKETSTREAM_TOPIC_PREFIX": "a b"}, "TICKETSTREAM_TOPIC_PREFIX"),
        ("tail", {"TICKETSTREAM_TOPIC_PREFIX": "a" * 101}, "TICKETSTREAM_TOPIC_PREFIX"),
    ],
)
def test_a_variable_that_cannot_be_is_wrong_use(
    command: str,
    variables: dict[str, str],
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", **variables}.items():
        monkeypatch.setenv(name, value)
    assert run(command.split()) == 2
    said = capsys.readouterr().err
    assert named in said and "report what it prints" not in said
    assert "s3cret" not in said


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://a:b@h1:5432,h2:5433,[::1]:5434/x",
        "postgres://h/x",
        "postgresql://a@/x?host=/run/postgresql",
        "postgresql://a:p%2Fq@h/x",
    ],
)
def test_every_form_of_a_dsn_is_taken(dsn: str, tmp_path: Path) -> None:
    assert Surroundings(tmp_path, {"DATABASE_URL": dsn}).dsn("DATABASE_URL") == dsn


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (asyncpg.UndefinedFunctionError("function tenant_directory() does not exist"), "ticketstream database migrate"),
        (asyncpg.InvalidCatalogNameError('database "x" does not exist'), "create it"),
    ],
)
def test_a_database_that_is_not_ready_says_what_to_do(error: Exception, cure: str) -> None:
    async def work() -> None:
        raise error

    with pytest.raises(Failure, match=cure):
        run_async(work)


@pytest.mark.parametrize(
    "words",
    [
        ("history", "import", "", __file__),
        ("tenant", "show", ""),
        ("token", "list", ""),
        ("webhook", "send", "", "--sample"),
    ],
    ids=" ".join,
)
def test_a_tenant_without_a_name_is_wrong_use(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    assert "ticketstream tenant list" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("form", "content", "told"),
    [
        ("onprem", b"\xff\xfe\x00key", "no text"),
        ("onprem", b" \n", "is empty"),
        ("onprem", b"one\ntwo", "one line of printable ASCII"),
        ("onprem", "s3cret-schlüssel".encode(), "one line of printable ASCII"),
        ("onprem", b"s3cret" * 683, "at most 4096"),
        ("onprem", b"s3cret" * 4000, "more than 16384 bytes"),
        ("onprem", json.dumps(CLOUD).encode(), "--servicedesk-form cloud"),
        ("cloud", b"s3cret", "not JSON"),
        ("cloud", b'["s3cret"]', "no JSON object"),
        ("cloud", json.dumps({**CLOUD, "refresh_token": 7}).encode(), "'refresh_token' is missing"),
        ("cloud", json.dumps({**CLOUD, "accounts_url": "http://accounts.zoho.eu"}).encode(), "https"),
    ],
)
def test_a_file_that_holds_no_key_of_the_desk_is_wrong_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, content: bytes, told: str
) -> None:
    file = tmp_path / "key.txt"
    file.write_bytes(content)
    given = ("--servicedesk-url", "https://desk.example.com", "--servicedesk-key-file", str(file))
    assert run(["tenant", "create", "msp-one", *given, "--servicedesk-form", form]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line and str(file) in line and "s3cret" not in line


@pytest.mark.parametrize(("form", "text"), [("onprem", "AB12-cd34="), ("cloud", json.dumps(CLOUD))])
def test_the_key_is_taken_without_what_editors_add(tmp_path: Path, form: str, text: str) -> None:
    file = tmp_path / "key.txt"
    file.write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n")
    assert read_credential(file, form) == text


@pytest.mark.parametrize(
    "words",
    [
        ("key", "create", "ingest", "--out", "F", "--ring", "k1"),
        ("key", "create", "ingest", "--ring", "k1"),
        ("key", "create", "--out", "F", "--ring", "k1"),
    ],
    ids=" ".join,
)
def test_a_ring_key_takes_no_service_and_no_file(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    said = capsys.readouterr()
    assert "leave out" in said.err and not said.out


@pytest.mark.parametrize("words", [("key", "revoke", "k"), ("token", "revoke", "msp-one", "t")], ids=" ".join)
@pytest.mark.parametrize(("terminal", "code", "told"), [(False, 2, "add --yes"), (True, 1, "nothing was done")])
def test_what_cannot_be_undone_is_confirmed(
    words: tuple[str, ...],
    terminal: bool,
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Stdin:
        def isatty(self) -> bool:
            return terminal

    def no(*_: Any, **__: Any) -> bool:
        return False

    monkeypatch.setattr("sys.stdin", Stdin())
    monkeypatch.setattr("click.confirm", no)
    assert run(words) == code
    assert told in capsys.readouterr().err


def test_an_unknown_tenant_is_told_before_the_sample_is_spoken_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def nobody(*_: object) -> bytes:
        raise WrongUse("nobody is no tenant", "see: ticketstream tenant list")

    monkeypatch.setattr("infra.ops.cli.tenancy.current_webhook_secret", nobody)
    monkeypatch.delenv("TICKETSTREAM_WEBHOOK_SECRET", raising=False)
    assert run(["webhook", "send", "nobody", "--sample", "--url", "http://127.0.0.1:1/"]) == 2
    said = capsys.readouterr()
    assert not said.out and "nobody is no tenant" in said.err
