"""The operator's commands on a real PostgreSQL and a real Kafka, each as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import sys
from base64 import b64decode
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from infra.runtime.keys.rings import new_ring_key
from tests.integration.operator_token import operator_token

PROGRAM = "import sys; from infra.ops.cli.main import run; sys.exit(run(sys.argv[1:]))"


class Database(Protocol):
    dsn: str
    dsns: dict[str, str]


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def value(self) -> dict[str, Any]:
        assert self.code == 0, self.err
        found: dict[str, Any] = json.loads(self.out)
        return found


@dataclass(frozen=True, slots=True)
class CommandLine:
    environment: dict[str, str]

    async def __call__(self, *words: str) -> Ran:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, *words,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=self.environment,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert b"Traceback" not in err, err.decode()
        return Ran(process.returncode or 0, out.decode(), err.decode())


@pytest.fixture(name="ticketstream", scope="module")
async def command_line(postgres: Database, topics: str, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    own = {
        "TICKETSTREAM_OPERATOR_TOKEN": await operator_token(postgres.dsns["operator"], "Test Operator"),
        "KAFKA_BOOTSTRAP_SERVERS": topics,
        "DATABASE_URL_OPERATOR": postgres.dsns["operator"],
        "TICKETSTREAM_STATE_DIR": str(tmp_path_factory.mktemp("no-stack")),
        "TICKETSTREAM_PUBLIC_URL": "https://tickets.example.com",
        "TICKETSTREAM_WEBHOOK_KEYS": new_ring_key("w1"),
        "TICKETSTREAM_CREDENTIAL_KEYS": new_ring_key("c1"),
    }
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return CommandLine({**kept, **own})


async def new_tenant(ticketstream: CommandLine, tmp_path: Path, *words: str) -> dict[str, Any]:
    key = tmp_path / "desk.key"
    key.write_text("desk-key\n")
    tenant_id = f"msp-{uuid4().hex[:8]}"
    ran = await ticketstream(
        "tenant", "create", tenant_id, "--servicedesk-url", "https://desk.example.com",
        "--servicedesk-key-file", str(key), *words, "--json",
    )  # fmt: skip
    return ran.value


async def test_a_new_tenant_has_all_that_its_desk_needs(ticketstream: CommandLine, tmp_path: Path) -> None:
    made = await new_tenant(ticketstream, tmp_path, "--set", "max_concurrent_jobs=9")
    assert made["webhook_url"] == f"https://tickets.example.com/api/v1/webhooks/{made['tenant_id']}"
    raw = b64decode(made["webhook_secret"].removeprefix("whsec_")).decode()
    assert len(raw) == 43 and raw.isprintable() and raw.isascii() and raw == made["webhook_key"]

    shown = (await ticketstream("tenant", "show", made["tenant_id"], "--json")).value
    assert (shown["max_concurrent_jobs"], shown["partition"], shown["enabled"]) == (9, made["partition"], True)
    assert raw not in json.dumps(shown) and "desk-key" not in json.dumps(shown)
    listed = (await ticketstream("tenant", "list", "--json")).value["tenants"]
    assert [one["partition"] for one in listed if one["tenant_id"] == made["tenant_id"]] == [made["partition"]]


async def test_tenants_are_listed_by_the_day_that_their_secret_is_due(
    ticketstream: CommandLine, tmp_path: Path
) -> None:
    made = [(await new_tenant(ticketstream, tmp_path))["tenant_id"] for _ in range(2)]
    listed = (await ticketstream("tenant", "list", "--due", "--json")).value["tenants"]
    due = [one["webhook_secret_due"] for one in listed if one["webhook_secret_due"]]
    assert due == sorted(due)
    own = {one["tenant_id"]: one for one in listed if one["tenant_id"] in made}
    assert [own[name]["webhook_secret_overdue"] for name in made] == [False, False]
    assert [own[name]["webhook_secret_in_use"] for name in made] == ["none", "none"]


async def test_a_tenant_that_is_there_is_refused_in_one_line(ticketstream: CommandLine, tmp_path: Path) -> None:
    made = await new_tenant(ticketstream, tmp_path)
    ran = await ticketstream(
        "tenant", "create", made["tenant_id"], "--servicedesk-url", "https://desk.example.com",
        "--servicedesk-key-file", str(tmp_path / "desk.key"),
    )  # fmt: skip
    assert ran.code == 1 and len(ran.err.splitlines()) == 1 and "already" in ran.err


@pytest.mark.parametrize("setting", ["max_concurrent_jobs=51", "gpt4_temperature=hot", "no_such=1", "gpt4_model=llama"])
async def test_settings_out_of_range_are_wrong_use(ticketstream: CommandLine, tmp_path: Path, setting: str) -> None:
    made = await new_tenant(ticketstream, tmp_path)
    before = (await ticketstream("tenant", "show", made["tenant_id"], "--json")).value
    ran = await ticketstream("tenant", "set", made["tenant_id"], "enhancement_timeout_seconds=60", setting)
    assert ran.code == 2 and setting.partition("=")[0] in ran.err
    assert (await ticketstream("tenant", "show", made["tenant_id"], "--json")).value == before


async def test_an_outside_model_needs_somebody_who_agreed(ticketstream: CommandLine, tmp_path: Path) -> None:
    made = await new_tenant(ticketstream, tmp_path)
    assert (await ticketstream("tenant", "set", made["tenant_id"], "external_model=true")).code == 2
    agreed = ("--agreed-by", "Head of Service", "--reason", "contract of May")
    ran = await ticketstream("tenant", "set", made["tenant_id"], "external_model=true", *agreed, "--json")
    assert ran.value["settings"]["external_model"] is True


async def test_a_desk_without_tls_is_for_the_local_stack_only(ticketstream: CommandLine, tmp_path: Path) -> None:
    key = tmp_path / "desk.key"
    key.write_text("k")
    words = (
        "tenant",
        "create",
        "msp-plain",
        "--servicedesk-url",
        "http://10.0.0.1",
        "--servicedesk-key-file",
        str(key),
    )
    ran = await ticketstream(*words)
    assert ran.code == 2 and "https" in ran.err


async def test_a_tenant_can_be_disabled_and_enabled(ticketstream: CommandLine, tmp_path: Path) -> None:
    made = await new_tenant(ticketstream, tmp_path)
    for command, enabled in (("disable", False), ("enable", True)):
        assert (await ticketstream("tenant", command, made["tenant_id"], "--json")).value["enabled"] is enabled


async def test_a_token_is_shown_once_and_ends_when_revoked(ticketstream: CommandLine, tmp_path: Path) -> None:
    tenant_id = (await new_tenant(ticketstream, tmp_path))["tenant_id"]
    made = (await ticketstream("token", "create", tenant_id, "--scope", "feedback:read", "--json")).value
    assert made["token"].startswith("tst_") and made["scopes"] == ["feedback:read"]
    listed = await ticketstream("token", "list", tenant_id, "--json")
    assert made["token"] not in listed.out and listed.value["tokens"][0]["token_id"] == made["token_id"]
    assert (await ticketstream("token", "revoke", tenant_id, made["token_id"])).code == 2  # nobody there to say yes
    assert (await ticketstream("token", "revoke", tenant_id, made["token_id"], "--yes", "--json")).value["revoked"]
    assert (await ticketstream("token", "create", tenant_id, "--scope", "everything")).code == 2
    assert (await ticketstream("token", "create", "no-such-tenant")).code == 1


async def test_a_secret_without_a_place_to_go_is_not_made(ticketstream: CommandLine, tmp_path: Path) -> None:
    nowhere, here = str(tmp_path / "no-such-folder" / "made.json"), tmp_path / "made.json"
    tenant_id = (await new_tenant(ticketstream, tmp_path))["tenant_id"]
    desk = ("--servicedesk-url", "https://desk.example.com", "--servicedesk-key-file", str(tmp_path / "desk.key"))
    assert (await ticketstream("tenant", "create", f"{tenant_id}-b", *desk, "--json", nowhere)).code == 2
    assert (await ticketstream("tenant", "show", f"{tenant_id}-b")).code == 1, "nothing was made"
    assert (await ticketstream("token", "create", tenant_id, "--json", nowhere)).code == 2
    assert (await ticketstream("token", "list", tenant_id, "--json")).value["tokens"] == []
    made = await ticketstream("tenant", "create", f"{tenant_id}-b", *desk, "--json", str(here))
    assert made.code == 0 and "the edge knows it within 5 s" in made.out
    assert stat.S_IMODE(here.stat().st_mode) == 0o600
    assert json.loads(here.read_text())["webhook_secret"] in made.out


@pytest.mark.parametrize(
    "words", [("token", "list"), ("tail", "--seconds", "1", "--tenant"), ("dead-letters", "list", "--tenant")]
)
async def test_an_unknown_tenant_is_told(ticketstream: CommandLine, tmp_path: Path, words: tuple[str, ...]) -> None:
    ran = await ticketstream(*words, "nobody")
    assert ran.code == 2 and ran.err == "there is no tenant nobody: see: ticketstream tenant list\n"
    known = (await new_tenant(ticketstream, tmp_path))["tenant_id"]
    assert (await ticketstream(*words, known)).code == 0


@pytest.mark.parametrize("words", [("tail", "--seconds", "1", "--tenant"), ("dead-letters", "list", "--tenant")])
async def test_kafka_alone_is_enough_to_read_topics(ticketstream: CommandLine, words: tuple[str, ...]) -> None:
    left_out = ("DATABASE_URL_OPERATOR", "TICKETSTREAM_OPERATOR_TOKEN")  # whose token it is only the database knows
    named = {name: value for name, value in ticketstream.environment.items() if name not in left_out}
    for environment in (named, {**named, "DATABASE_URL_OPERATOR": "postgresql://nobody@127.0.0.1:1/none"}):
        assert (await CommandLine(environment)(*words, "nobody")).code == 0


async def test_a_database_without_tables_says_how_to_get_them(ticketstream: CommandLine, postgres: Database) -> None:
    """The database `postgres` of the same server has none."""
    dsn = urlsplit(postgres.dsns["operator"])._replace(path="/postgres").geturl()
    ran = await CommandLine({**ticketstream.environment, "DATABASE_URL_OPERATOR": dsn})("tenant", "list")
    assert ran.code == 1 and "run: ticketstream database migrate" in ran.err


async def test_keys_are_made_private_and_published_with_a_head_start(ticketstream: CommandLine, tmp_path: Path) -> None:
    first, second = tmp_path / "one.pem", tmp_path / "two.pem"
    made = (await ticketstream("key", "create", "synthesize", "--out", str(first), "--json")).value
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    rotated = (await ticketstream("key", "rotate", "synthesize", "--out", str(second), "--json")).value
    assert rotated["not_before"] > made["not_before"] and rotated["key_id"] != made["key_id"]
    assert (await ticketstream("key", "create", "synthesize", "--out", str(first))).code == 2  # never overwritten
    assert (await ticketstream("key", "revoke", made["key_id"], "--yes", "--json")).value["revoked"]
    listed = {one["key_id"]: one for one in (await ticketstream("key", "list", "--json")).value["keys"]}
    assert listed[made["key_id"]]["revoked_at"] and not listed[rotated["key_id"]]["revoked_at"]
    assert "PRIVATE" not in json.dumps(listed)


async def test_an_import_is_all_or_nothing(ticketstream: CommandLine, tmp_path: Path) -> None:
    tenant_id = (await new_tenant(ticketstream, tmp_path))["tenant_id"]
    file = tmp_path / "inventory.csv"
    header, good = "asset_id,hostname,address,kind\n", "A1,fw1,10.0.0.1,firewall\nA2,,10.0.0.0/24,subnet\n"
    file.write_text(header + good + "A3,fw3,10.0.0.999,firewall\n")
    ran = await ticketstream("inventory", "import", tenant_id, str(file))
    assert ran.code == 1 and "inventory.csv:4: address" in ran.err and "nothing was imported" in ran.err
    file.write_text(header + good)
    done = (await ticketstream("inventory", "import", tenant_id, str(file), "--json")).value
    assert (done["imported"], done["new"]) == (2, 2), "the good rows of the bad file were not imported before"
    again = (await ticketstream("inventory", "import", tenant_id, str(file), "--json")).value
    assert (again["imported"], again["new"]) == (2, 0)
    assert (await ticketstream("inventory", "import", "no-such-tenant", str(file))).code == 1


async def test_topics_that_are_right_stay_as_they_are(ticketstream: CommandLine) -> None:
    report = (await ticketstream("topics", "ensure", "--single-node", "--json")).value
    assert report["ok"] and report["created"] == [] and report["partitions"] == 64


async def test_what_was_changed_on_kafka_is_noted_down(ticketstream: CommandLine) -> None:
    prefix = f"noted-{uuid4().hex[:8]}."
    elsewhere = CommandLine({**ticketstream.environment, "TICKETSTREAM_TOPIC_PREFIX": prefix})
    assert (await elsewhere("topics", "ensure", "--single-node", "--partitions", "1")).code == 0
    assert (await elsewhere("topics", "ensure", "--single-node", "--partitions", "1")).code == 0

    noted = (await ticketstream("audit", "--operation", "topics ensure", "--text", prefix, "--json")).value["entries"]
    assert [(one["tenant_id"], one["who"], one["subject"]) for one in noted] == [
        ("-platform", "Test Operator", "7 changes")
    ]


async def test_listing_dead_letters_and_following_notes_ends(ticketstream: CommandLine) -> None:
    assert isinstance((await ticketstream("dead-letters", "list", "--json")).value["dead_letters"], list)
    assert (await ticketstream("tail", "--from-beginning", "--seconds", "1")).code == 0


async def test_the_texts_of_notes_are_shown_to_who_says_why_and_the_audit_log_knows(ticketstream: CommandLine) -> None:
    silent = await ticketstream("tail", "--from-beginning", "--seconds", "1", "--json")
    told = await ticketstream(
        "tail", "--from-beginning", "--seconds", "1", "--json", "--reason", "SUP-31", "--consent", "by mail, SUP-31"
    )

    assert silent.code == 2 and "needs a reason" in silent.err and silent.out == ""
    assert told.code == 0
    noted = (await ticketstream("audit", "--operation", "tail", "--text", "SUP-31", "--json")).value["entries"]
    assert [(one["tenant_id"], one["who"], one["consent"]) for one in noted] == [
        ("-platform", "Test Operator", "by mail, SUP-31")
    ]


async def test_ctrl_c_ends_following_the_notes_well(ticketstream: CommandLine) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, "tail", stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        env=ticketstream.environment,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.default_int_handler),  # a shell's background job ignores it
    )  # fmt: skip
    assert process.stderr is not None
    try:
        assert b"until Ctrl-C" in await asyncio.wait_for(process.stderr.readline(), 60)
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 60) == 0
    finally:
        if process.returncode is None:
            process.kill()
