"""The command line's face: help, wrong use, errors as one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from infra.ops.cli.main import COMMANDS, run, ticketstream

SUBCOMMANDS = [
    ("topics", "ensure"),
    ("database", "migrate"),
    *[("key", name) for name in ("create", "list", "rotate", "revoke")],
    *[
        ("tenant", name)
        for name in ("create", "list", "show", "set", "enable", "disable", "contacts", "refusals", "handover", "verify")
    ],
    *[("token", name) for name in ("create", "list", "revoke")],
    ("webhook", "send"),
    *[(kind, "import") for kind in ("knowledge", "inventory", "history")],
    ("dead-letters", "list"),
]


@pytest.fixture(autouse=True)
def no_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the developer's surroundings reaches a test."""
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "DATABASE_URL_OPERATOR", "DATABASE_URL_CONSOLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("TICKETSTREAM_PUBLIC_URL", raising=False)
    monkeypatch.setenv("TICKETSTREAM_STATE_DIR", str(tmp_path / "state"))


@pytest.mark.parametrize("words", [*((name,) for name in COMMANDS), *SUBCOMMANDS], ids=" ".join)
def test_every_command_explains_itself(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*words, "--help"]) == 0
    assert "Usage:" in capsys.readouterr().out


def test_the_help_names_the_commands_without_json(capsys: pytest.CaptureFixture[str]) -> None:
    context = click.Context(ticketstream)
    commands = {name: ticketstream.get_command(context, name) for name in COMMANDS}
    alone = {name: command for name, command in commands.items() if command and not isinstance(command, click.Group)}
    without = [name for name, command in alone.items() if not any("--json" in param.opts for param in command.params)]
    assert run(["--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"{', '.join(without[:-1])} and {without[-1]} have no --json" in told


@pytest.mark.parametrize(
    "words",
    [
        ("no-such-command",),
        ("tenant",),
        ("tenant", "create"),
        ("tenant", "set", "msp-one"),
        ("tenant", "set", "msp-one", "no-equals-sign"),
        ("tenant", "set", "msp-one", "external_model=true"),
        ("process", "dream"),
        ("webhook", "send", "msp-one"),
        ("webhook", "send", "msp-one", "--sample", __file__),
        ("key", "create"),
        ("key", "create", "ingest"),
        ("key", "create", "--ring", "no spaces allowed"),
        ("topics", "ensure", "--partitions", "0"),
        ("knowledge", "import", "msp-one", "/no/such/folder"),
        ("inventory", "import", "msp-one", __file__),
        ("bench", "everything"),
        ("tail", "--limit", "many"),
        ("reconcile", "--since", "yesterday"),
        ("reconcile", "--since", "31d"),
        ("reconcile", "--since", "2999-01-01T00:00:00Z"),
    ],
    ids=" ".join,
)
def test_wrong_use_exits_2_without_a_traceback(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    said = capsys.readouterr()
    assert "Traceback" not in said.err and (said.err + said.out).strip()


@pytest.mark.parametrize(
    "words",
    [
        ("topics", "ensure"),
        ("database", "migrate"),
        ("tenant", "list"),
        ("tail",),
        ("dead-letters", "list"),
        ("key", "list"),
    ],
    ids=" ".join,
)
def test_without_a_stack_a_command_says_in_one_line_how_to_get_one(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "is not set" in line and "ticketstream up" in line


def test_a_server_that_is_away_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL_OPERATOR", "postgresql://nobody@127.0.0.1:1/none")
    assert run(["tenant", "list"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "PostgreSQL" in line and ": check that PostgreSQL runs" in line


def test_a_ring_key_is_printed_ready_for_use(capsys: pytest.CaptureFixture[str]) -> None:
    from infra.runtime.keys.rings import KeyRing

    assert run(["key", "create", "--ring", "k7", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)["key"]
    assert KeyRing.parse(made, variable="X").key_ids == ("k7",)


def test_json_before_the_argument_does_not_swallow_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["tenant", "show", "--json", "msp-one"]) == 1  # understood; there is only no stack
    assert "is not set" in capsys.readouterr().err
    assert not list(tmp_path.glob("msp-one*"))


def test_json_goes_to_a_file_where_one_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out.json"
    assert run(["key", "create", "--ring", "k1", "--json", str(target)]) == 0
    assert json.loads(target.read_text())["key"].startswith("k1:")
    assert capsys.readouterr().out.startswith("k1:")


def test_help_loads_nothing_heavy() -> None:
    heavy = "{'aiohttp', 'asyncpg', 'confluent_kafka', 'faust', 'pydantic', 'rich', 'fastavro', 'cryptography'}"
    code = (
        f"import sys; from infra.ops.cli.main import run; run(['--help']); sys.exit(bool({heavy} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
