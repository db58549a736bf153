"""Persons' tokens on a real PostgreSQL: the first engineer, what support may, and nobody at another one's tenant."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.ops.cli.acting import FIRST_ENGINEER
from infra.ops.cli.main import run
from infra.ops.cli.rights import RIGHTS
from infra.runtime.keys.rings import KeyRing, new_ring_key
from infra.runtime.postgres.pool import Pool, open_pool
from infra.runtime.postgres.tenant import tenant_transaction
from sinks.postgres.audit_log import PLATFORM, Change
from sinks.postgres.credentials import DeskCredentials
from sinks.postgres.operator_tokens import NewOperatorToken, OperatorTokens, Role
from sinks.postgres.tenants import NewTenant, TenantStore
from sinks.postgres.webhook_secrets import WebhookSecrets
from tests.unit.infra.ops.cli.test_rights import NAMES_A_TENANT, TREE

if TYPE_CHECKING:
    from tests.conftest import PostgresServer

OWN, OTHER = "msp-own", "msp-other"
CHANGE = Change("test")
NO_KAFKA = "127.0.0.1:1"


@dataclass
class Cell:
    """A database of its own with two tenants, and commands in this process. `variables` are what each of them sees."""

    pool: Pool
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    variables: dict[str, str] = field(default_factory=dict)

    async def __call__(self, *words: str, token: str = "") -> tuple[int, str, str]:
        with self.monkeypatch.context() as patched:
            for name, value in {**self.variables, "TICKETSTREAM_OPERATOR_TOKEN": token}.items():
                patched.setenv(name, value)
            self.capsys.readouterr()
            code = await asyncio.to_thread(run, words)
        told = self.capsys.readouterr()
        return code, told.out, told.err

    async def token(self, role: Role, *tenants: str, person: str = "Pat") -> str:
        new = NewOperatorToken(person, role, frozenset(tenants) or None)
        return (await OperatorTokens(self.pool).create(new, CHANGE))[0]

    async def audited(self, tenant_id: str, operation: str) -> list[tuple[str, str, str, str | None]]:
        """Who, in which role, what, and what came of it, in order."""
        async with tenant_transaction(self.pool, tenant_id) as connection:
            rows = await connection.fetch(
                "SELECT who, role, subject, new_value FROM audit_log WHERE operation = $1 ORDER BY audit_id", operation
            )
        return [tuple(row.values()) for row in rows]


@pytest.fixture(scope="module")
async def database(postgres_server: PostgresServer) -> AsyncIterator[tuple[Pool, dict[str, str]]]:
    """A database in which no other test makes a token."""
    dsn = (await postgres_server.migrated("access")).dsns["operator"]
    rings = {name: new_ring_key("k") for name in ("TICKETSTREAM_WEBHOOK_KEYS", "TICKETSTREAM_CREDENTIAL_KEYS")}
    pool = await open_pool(dsn, service="operator", size=2)
    webhook, credential = (KeyRing.parse(text, variable=name) for name, text in rings.items())
    for tenant_id in (OWN, OTHER):
        await TenantStore(pool).create(
            NewTenant(tenant_id, "https://desk.example.com", "key"),
            partitions=64,
            secrets=WebhookSecrets(pool, webhook),
            credentials=DeskCredentials(pool, credential),
            change=CHANGE,
        )
    yield pool, {"DATABASE_URL_OPERATOR": dsn, **rings}
    await pool.close()


@pytest.fixture
def cell(
    database: tuple[Pool, dict[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Cell:
    pool, variables = database
    return Cell(
        pool,
        monkeypatch,
        capsys,
        {
            **variables,
            "TICKETSTREAM_STATE_DIR": str(tmp_path / "no-stack"),
            "TICKETSTREAM_PUBLIC_URL": "https://tickets.example.com",
            "TICKETSTREAM_OPERATOR": "somebody",
            "KAFKA_BOOTSTRAP_SERVERS": NO_KAFKA,
        },
    )


async def test_the_first_engineer_needs_no_token_and_the_second_does(cell: Cell, tmp_path: Path) -> None:
    """Runs first: afterwards there is an engineer."""
    ordinary = ("token", "create", "--person", "Sam", "--role", "support", "--all-tenants")
    first_key = ("key", "create", "enrich", "--out", str(tmp_path / "enrich.pem"))
    assert (await cell(*first_key))[0] == 0, "who sets a cell up needs keys before there is anybody"

    engineer = ("token", "create", "--person", "First", "--role", "engineer", "--all-tenants")
    code, out, _ = await cell(*engineer, "--json")
    made = json.loads(out)
    assert code == 0 and made["token"].startswith("tso_") and made["first_engineer"] is True
    assert (made["person"], made["role"], made["tenants"]) == ("First", "engineer", None)
    (entry,) = [one for one in await cell.audited(PLATFORM, "token create") if one[2].startswith("First")]
    assert entry[0] == "somebody" and str(entry[3]).endswith("the first engineer's")
    assert made["token"] not in str(entry)

    assert (await cell(*engineer))[0] == 1, "there is an engineer now"
    code, _, err = await cell(*ordinary)
    assert code == 1 and FIRST_ENGINEER in err
    assert (await cell("key", "create", "deliver", "--out", str(tmp_path / "deliver.pem")))[0] == 1
    code, out, _ = await cell(*ordinary, "--json", token=made["token"])
    assert code == 0 and json.loads(out)["first_engineer"] is False
    listed = json.loads((await cell("token", "list", "--persons", "--json", token=made["token"]))[1])["tokens"]
    assert {"First", "Sam"} <= {one["person"] for one in listed}
    assert made["token"] not in str(listed) and "hash" not in str(listed)


@pytest.fixture
async def everybody(cell: Cell) -> dict[str, str]:
    return {
        "engineer": await cell.token(Role.ENGINEER),
        "support": await cell.token(Role.SUPPORT),
        "own": await cell.token(Role.SUPPORT, OWN, person="Own Only"),
        "engineer of own": await cell.token(Role.ENGINEER, OWN, person="Own Engineer"),
    }


def at_others(folder: Path) -> dict[str, tuple[str, ...]]:
    """Each command that takes a tenant, for the other's."""
    file = folder / "file"
    file.write_text("some-key")
    desk = ("--servicedesk-url", "https://desk.example.com", "--servicedesk-key-file", str(file))
    return {
        "tenant create": (OTHER, *desk),
        "tenant show": (OTHER,),
        "tenant set": (OTHER, "gpt4_temperature=0.1"),
        "tenant enable": (OTHER,),
        "tenant disable": (OTHER,),
        "tenant contacts": (OTHER,),
        "tenant refusals": (OTHER,),
        "tenant rotate-secret": (OTHER, "--yes", "--reason", "x"),
        "tenant replace-credential": (OTHER, "--servicedesk-key-file", str(file), "--reason", "x"),
        "tenant verify": (OTHER,),
        "tenant handover": (OTHER, str(folder / "handover")),
        "tenant export": (OTHER, "--out", str(folder / "export"), "--reason", "x"),
        "tenant erase": (OTHER, "--yes", "--reason", "x"),
        "token create": (OTHER,),
        "token list": (OTHER,),
        "token revoke": (OTHER, "some-token", "--yes"),
        "webhook send": (OTHER, "--sample", "--url", "http://127.0.0.1:1"),
        "knowledge import": (OTHER, str(folder / "articles.jsonl")),
        "inventory import": (OTHER, str(folder / "devices.jsonl")),
        "history import": (OTHER, str(folder / "tickets.jsonl")),
        "reconcile": ("--tenant", OTHER),
        "replay": ("--stage", "enrich", "--since", "2h", "--tenant", OTHER),
        "dead-letters list": ("--tenant", OTHER),
        "dead-letters replay": ("--tenant", OTHER),
        "tail": ("--tenant", OTHER, "--seconds", "1"),
        "investigate": (OTHER, "1", "--reason", "x"),
        "export": ("--tenant", OTHER, "--out", str(folder / "notes.jsonl")),
        "report": ("--tenant", OTHER),
        "audit": ("--tenant", OTHER),
    }


TAKE_A_TENANT = sorted(
    name
    for name, command in TREE.items()
    if name == "token revoke" or NAMES_A_TENANT & {parameter.name for parameter in command.params}
)


@pytest.mark.parametrize("command", TAKE_A_TENANT)
async def test_who_has_another_tenant_gets_nowhere_and_leaves_a_trace(
    cell: Cell, everybody: dict[str, str], tmp_path: Path, command: str
) -> None:
    (tmp_path / "articles.jsonl").write_text('{"id": "1", "title": "t", "body": "b"}\n')
    (tmp_path / "devices.jsonl").write_text('{"asset_id": "1", "address": "10.0.0.1", "kind": "server"}\n')
    (tmp_path / "tickets.jsonl").write_text(
        '{"ticket_id": "1", "subject": "s", "description": "d", "resolution": "r"}\n'
    )
    examples = at_others(tmp_path)
    assert command in examples, "add what this command is tried with"
    before = len(await cell.audited(OTHER, "refused"))
    for name, person in (("own", "Own Only"), ("engineer of own", "Own Engineer")):
        code, out, err = await cell(*command.split(), *examples[command], token=everybody[name])
        assert code == 1 and f"{OTHER} is not among the tenants of {person}" in err, err
        assert out == ""
    refused = (await cell.audited(OTHER, "refused"))[before:]
    assert [(who, subject) for who, _, subject, _ in refused] == [("Own Only", command), ("Own Engineer", command)]


ENGINEERS = {
    "key create": ("enrich", "--out", "NEW"),
    "key rotate": ("enrich", "--out", "NEW"),
    "key revoke": ("some-key", "--yes"),
    "tenant erase": (OWN, "--yes", "--reason", "x"),
    "tenant set": (OWN, "max_concurrent_jobs=10"),
    "tenant create": ("msp-new", "--servicedesk-url", "https://d.example.com", "--set", "webhook_burst=9",
                      "--servicedesk-key-file", "FILE"),
    "token create": ("--person", "X", "--role", "support", "--tenant", OWN),
    "token revoke": ("--person", "Pat", "--yes"),
}  # fmt: skip


@pytest.mark.parametrize("command", sorted(ENGINEERS))
@pytest.mark.parametrize("who", ["support", "nobody's token"])
async def test_what_is_for_engineers_is_refused_to_support(
    cell: Cell, everybody: dict[str, str], tmp_path: Path, command: str, who: str
) -> None:
    (tmp_path / "file").write_text("key")
    paths = {"NEW": str(tmp_path / "new.pem"), "FILE": str(tmp_path / "file")}
    words = [paths.get(word, word) for word in ENGINEERS[command]]
    code, _, err = await cell(*command.split(), *words, token=everybody.get(who, ""))
    assert code == 1 and "for engineers: ask one, or set TICKETSTREAM_OPERATOR_TOKEN" in err, err
    assert not (tmp_path / "new.pem").exists()


def test_every_command_for_engineers_is_tried_with_support() -> None:
    assert {name for name, right in RIGHTS.items() if right.role is Role.ENGINEER and name in TREE} <= ENGINEERS.keys()


async def test_a_whole_window_again_is_for_engineers_and_one_ticket_is_not(
    cell: Cell, everybody: dict[str, str]
) -> None:
    window = ("replay", "--stage", "enrich", "--since", "2h", "--tenant", OWN, "--yes", "--reason", "x")
    assert "replaying a whole window is for engineers" in (await cell(*window, token=everybody["own"]))[2]
    assert "for engineers" not in (await cell(*window, "--ticket", "1", token=everybody["own"]))[2]
    everywhere = ("replay", "--stage", "enrich", "--since", "2h", "--all-tenants")
    code, _, err = await cell(*everywhere, token=everybody["own"])
    assert code == 1 and f"--all-tenants needs all tenants: name one of yours: {OWN}" in err


async def test_support_changes_what_the_tenant_wishes_and_an_engineer_the_rest(
    cell: Cell, everybody: dict[str, str]
) -> None:
    both = ("tenant", "set", OWN, "gpt4_temperature=0.2", "max_concurrent_jobs=9")
    assert (await cell(*both, token=everybody["support"]))[0] == 1
    shown = json.loads((await cell("tenant", "show", OWN, "--json", token=everybody["own"]))[1])
    assert (shown["gpt4_temperature"], shown["max_concurrent_jobs"]) == (0.7, 5), "all or nothing"
    assert shown["rules"]["max_concurrent_jobs"] == {
        "allowed": "a whole number from 1 to 50", "default": 5, "approver": "engineering approves"
    }  # fmt: skip
    assert (await cell("tenant", "set", OWN, "gpt4_temperature=0.2", token=everybody["own"]))[0] == 0
    assert (await cell(*both, token=everybody["engineer of own"]))[0] == 0
    changed = await cell.audited(OWN, "tenant set")
    assert ("Own Only", "support", "gpt4_temperature", "0.2") in changed
    assert ("Own Engineer", "engineer", "max_concurrent_jobs", "9") in changed


async def test_lists_show_ones_own_tenants_only(cell: Cell, everybody: dict[str, str]) -> None:
    def tenants(out: str) -> set[str]:
        return {one["tenant_id"] for one in json.loads(out)["tenants"]}

    assert tenants((await cell("tenant", "list", "--json", token=everybody["own"]))[1]) == {OWN}
    assert tenants((await cell("tenant", "list", "--json", token=everybody["support"]))[1]) >= {OWN, OTHER}
    entries = json.loads((await cell("audit", "--json", token=everybody["own"]))[1])["entries"]
    assert {entry["tenant_id"] for entry in entries} == {OWN}


async def test_an_engineer_of_some_tenants_gives_no_more_than_that(cell: Cell, everybody: dict[str, str]) -> None:
    token = everybody["engineer of own"]
    new = ("token", "create", "--person", "X", "--role", "engineer")
    assert (await cell(*new, "--tenant", OWN, token=token))[0] == 0
    assert OTHER in (await cell(*new, "--tenant", OTHER, token=token))[2]
    assert "needs all tenants" in (await cell(*new, "--all-tenants", token=token))[2]
    assert (await cell(*new, "--tenant", "no-such", token=everybody["engineer"]))[0] == 2


async def test_a_token_that_ended_says_so_and_what_to_do(cell: Cell, everybody: dict[str, str]) -> None:
    gone = await cell.token(Role.ENGINEER, person="Gone")
    assert (await cell("token", "revoke", "--person", "Gone", "--yes", token=everybody["engineer"]))[0] == 0
    code, _, err = await cell("tenant", "list", token=gone)
    assert code == 1 and "the token of Gone was revoked at" in err and "ask an engineer for a new one" in err
    late = await cell.token(Role.SUPPORT, person="Late")
    async with tenant_transaction(cell.pool, PLATFORM) as connection:
        token_id = await connection.fetchval("SELECT token_id FROM operator_tokens WHERE person = 'Late'")
    assert token_id and (await cell("tenant", "list", token=late))[0] == 0
    code, _, err = await cell("tenant", "list", token="tso_" + "x" * 43)
    assert code == 1 and "no token that is known here" in err
    assert ("Gone", "tenant list") in [(who, what) for who, _, what, _ in await cell.audited(PLATFORM, "refused")]


async def test_a_last_use_and_refusals_are_counted(cell: Cell, everybody: dict[str, str]) -> None:
    token = await cell.token(Role.SUPPORT, OWN, person="Counted")
    await cell("tenant", "show", OTHER, token=token)
    listed = json.loads((await cell("token", "list", "--persons", "--json", token=everybody["engineer"]))[1])["tokens"]
    (counted,) = [one for one in listed if one["person"] == "Counted"]
    assert counted["refused"] == 1 and counted["last_used_at"] is not None and counted["tenants"] == [OWN]


async def test_a_token_may_stand_in_a_file(cell: Cell, everybody: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "token").write_text(everybody["own"] + "\n")
    cell.variables["TICKETSTREAM_OPERATOR_TOKEN_FILE"] = str(tmp_path / "token")
    assert OTHER not in (await cell("tenant", "list"))[1]


async def test_while_postgresql_is_away_nobody_is_let_through(cell: Cell, everybody: dict[str, str]) -> None:
    cell.variables["DATABASE_URL_OPERATOR"] = "postgresql://x:y@127.0.0.1:1/z"
    for command in (("tenant", "list"), ("tail", "--seconds", "1"), ("dead-letters", "list")):
        code, _, err = await cell(*command, token=everybody["engineer"])
        assert code == 1 and "PostgreSQL" in err


async def test_a_command_at_work_ends_within_five_seconds_of_the_revocation(
    cell: Cell, everybody: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from infra.ops.cli import acting, operators
    from infra.ops.cli.surroundings import Surroundings

    assert operators.LOOK_AGAIN_SECONDS <= 4
    token = await cell.token(Role.ENGINEER, person="Leaving")
    variables = {**cell.variables, "TICKETSTREAM_OPERATOR_TOKEN": token}
    monkeypatch.setattr(operators, "LOOK_AGAIN_SECONDS", 0.2)
    around: Any = Surroundings(Path(cell.variables["TICKETSTREAM_STATE_DIR"]), variables)

    async def long_work() -> None:
        async with asyncio.timeout(20), acting.acting(around):
            await OperatorTokens(cell.pool).revoke(CHANGE, person="Leaving")
            await asyncio.Event().wait()

    with pytest.raises(acting.NotAllowed, match="the token of Leaving was revoked"):
        await long_work()
