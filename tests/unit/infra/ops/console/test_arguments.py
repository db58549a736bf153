"""What a caller writes stays a value: it becomes no option, no other parameter, and no path of the server's."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from infra.ops.cli.main import ticketstream
from infra.ops.cli.output import JsonCommand
from infra.ops.cli.rights import RIGHTS
from infra.ops.cli.served import DIRECT, FILES_IN_VALUES, NOT_TAKEN, SERVED, Kind, leaves, parameters_of
from infra.ops.console.commands.arguments import words_of
from infra.ops.console.commands.openapi import document
from infra.ops.console.commands.scratch import Scratch
from infra.ops.console.refusals import Refused

TREE = dict(leaves(ticketstream))


def content(text: str) -> str:
    return b64encode(text.encode()).decode()


KEY = {"name": "key.txt", "base64": content("secret")}


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Scratch]:
    with Scratch(tmp_path) as made:
        yield made


def words(scratch: Scratch, path: str, /, **given: Any) -> list[str]:
    return words_of(path, TREE[path], given, scratch)


def test_each_command_is_served_or_is_not_and_is_read_as_one_that_may_be() -> None:
    assert not SERVED & DIRECT
    assert sorted(TREE.keys() - SERVED - DIRECT) == [], "say in infra/ops/cli/served.py whether the console serves it"
    assert [path for path in SERVED & TREE.keys() if not isinstance(TREE[path], JsonCommand)] == []
    assert [path for path in SERVED & TREE.keys() if RIGHTS[path].role is None] == []
    assert {"tenant erase", "database migrate", "key create", "key list", "up", "demo"} <= DIRECT


def test_what_names_files_is_known() -> None:
    """A parameter that is new here: does it read or write a file of the caller's, and only of the caller's?"""
    found = {
        f"{path} {one.name}": one.kind
        for path in sorted(SERVED & TREE.keys())
        for one in parameters_of(path, TREE[path])
        if one.kind.is_input or one.kind.is_output
    }
    assert {
        "audit seals": Kind.FILE,
        "dead-letters show raw": Kind.NEW_FILE,
        "history import path": Kind.FILE,
        "inventory import path": Kind.FILE,
        "knowledge import path": Kind.FILE_OR_FOLDER,
        "tenant create handover": Kind.NEW_FOLDER,
        "tenant create servicedesk_key_file": Kind.FILE,
        "tenant export out": Kind.NEW_FILE_OR_FOLDER,
        "tenant handover folder": Kind.NEW_FOLDER,
        "tenant replace-credential servicedesk_key_file": Kind.FILE,
        "webhook send file": Kind.FILE,
        "webhook send secret_file": Kind.FILE,
    }.items() <= found.items()
    assert set(NOT_TAKEN) | set(FILES_IN_VALUES) <= SERVED


def test_parameters_become_words(scratch: Scratch) -> None:
    assert words(scratch, "tenant list", due=True, json=True) == ["tenant", "list", "--due", "--json=-"]
    assert words(scratch, "tenant set", tenant_id="msp", settings=["a=1", "b=-2"], reason="INC-1") == [
        "tenant", "set", "--reason=INC-1", "--", "msp", "a=1", "b=-2",
    ]  # fmt: skip
    assert words(scratch, "replay", tenant="a,b", stage="deliver", rate="5/s", yes=False) == [
        "replay", "--stage=deliver", "--tenant=a,b", "--rate=5/s",
    ]  # fmt: skip
    assert words(scratch, "token create", tenant_id="msp", scope=["feedback:read"], days=3) == [
        "token", "create", "--scope=feedback:read", "--days=3", "--", "msp",
    ]  # fmt: skip
    assert words(scratch, "tail", json=True, limit=1) == ["tail", "--limit=1", "--json"]


@pytest.mark.parametrize(
    "hostile", ["--all-tenants", "-h", "--json=/etc/passwd", "--", "--yes", "@file", "a b", "$(id)"]
)
def test_a_value_that_looks_like_an_option_stays_a_value(scratch: Scratch, hostile: str) -> None:
    made = words(scratch, "tenant show", tenant_id=hostile)
    context = TREE["tenant show"].make_context("show", made[2:])
    assert context.params["tenant_id"] == hostile
    made = words(scratch, "tenant disable", tenant_id="msp", reason=hostile)
    assert TREE["tenant disable"].make_context("disable", made[2:]).params["reason"] == hostile


def test_files_come_along_and_stand_in_the_calls_folder(scratch: Scratch) -> None:
    made = words(scratch, "tenant replace-credential", tenant_id="msp", servicedesk_key_file=KEY, reason="x")
    assert "--servicedesk-key-file=key.txt" in made
    assert (scratch.work / "key.txt").read_text() == "secret"
    assert (scratch.work / "key.txt").stat().st_mode & 0o077 == 0
    folder = {"name": "docs", "files": {"a/one.md": content("one"), "two.md": content("two")}}
    assert words(scratch, "knowledge import", tenant_id="msp", path=folder)[-1] == "docs"
    assert (scratch.work / "docs/a/one.md").read_text() == "one"
    ca = {"name": "ca.pem", "base64": content("pem")}
    assert words(scratch, "tenant set", tenant_id="msp", settings=[ca, "a=1"])[-2:] == ["servicedesk_ca=@ca.pem", "a=1"]


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("tenant replace-credential", {"servicedesk_key_file": "/etc/passwd"}),
        ("tenant replace-credential", {"servicedesk_key_file": {"name": "../key", "base64": ""}}),
        ("tenant replace-credential", {"servicedesk_key_file": {"name": "/etc/passwd", "base64": ""}}),
        ("tenant replace-credential", {"servicedesk_key_file": {"name": "..", "base64": ""}}),
        ("tenant replace-credential", {"servicedesk_key_file": {"name": "--yes", "base64": ""}}),
        ("tenant replace-credential", {"servicedesk_key_file": {"name": "k", "base64": "no base64!"}}),
        ("tenant replace-credential", {"servicedesk_key_file": {"name": "k", "files": {"a": ""}}}),
        ("knowledge import", {"path": {"name": "docs", "files": {"../../x.md": ""}}}),
        ("knowledge import", {"path": {"name": "docs", "files": {"/etc/x.md": ""}}}),
        ("tenant set", {"settings": ["servicedesk_ca=@/proc/self/environ"]}),
        ("tenant set", {"settings": [" servicedesk_ca = @/proc/self/environ"]}),
        ("tenant set", {"settings": ["servicedesk_ca=\u2003@/proc/self/environ"]}),
        ("tenant export", {"out": "/srv/export"}),
        ("tenant export", {"out": "../export"}),
        ("tenant handover", {"tenant_id": "msp", "folder": "/srv"}),
        ("tenant list", {"json": "/srv/out.json"}),
        ("tenant list", {"json": "../out.json"}),
        ("webhook send", {"tenant_id": "msp", "url": "http://169.254.169.254/"}),
        ("tenant list", {"help": True}),
        ("tenant list", {"due": "--json=/srv/x"}),
        ("tenant show", {"tenant_id": ["a", "b"]}),
        ("tenant show", {"tenant_id": {"name": "a", "base64": ""}}),
        ("tenant show", {"tenant_id": True}),
        ("tenant show", {"json_to": "x"}),
        ("tenant handover", {"folder": "x"}),
        ("dead-letters list", {"tenant": "a\0b"}),
    ],
)
def test_what_would_reach_beyond_the_call_is_refused(scratch: Scratch, path: str, given: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        words(scratch, path, **given)
    assert refused.value.status == 400 and refused.value.cure


def test_what_a_command_makes_is_found_but_no_link_out_of_its_folder(scratch: Scratch) -> None:
    assert "--out=export" in words(scratch, "tenant export", tenant_id="msp", out="export", reason="x")
    made = scratch.work / "export"
    made.mkdir()
    (made / "tickets.jsonl").write_text("{}")
    (made / "link").symlink_to("/etc/passwd")
    (scratch.work / "other").write_text("not reserved")
    assert [name for name, _ in scratch.made()] == ["export/tickets.jsonl"]


def test_the_folder_goes_with_the_call(tmp_path: Path) -> None:
    with Scratch(tmp_path) as scratch:
        words(scratch, "tenant replace-credential", servicedesk_key_file=KEY)
    assert list(tmp_path.iterdir()) == []


def test_the_api_is_described_from_the_commands() -> None:
    told = document({path: TREE[path] for path in SERVED & TREE.keys()})
    operation = told["paths"]["/api/v1/commands/tenant/set"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["tenant_id", "settings"] and schema["additionalProperties"] is False
    assert operation["x-role"] == "support" and operation["description"].startswith("Change settings")
    assert told["paths"]["/api/v1/commands/dead-letters/list"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]["properties"]["limit"] == {
        "type": "integer", "minimum": 1, "maximum": 100_000, "description": "The newest so many.",
    }  # fmt: skip
    described = {path.removeprefix("/api/v1/commands/").replace("/", " ") for path in told["paths"]} - {
        " api v1 commands"
    }
    assert described == SERVED & TREE.keys()
    assert not any("erase" in path or "migrate" in path for path in told["paths"])
    assert isinstance(TREE["tenant set"], click.Command)
