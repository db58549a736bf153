"""The console beside a running chain: the command line through it from a machine that has nothing, and a support person who tries
what is not theirs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.ops.cli.main import ticketstream
from infra.ops.cli.rights import right_to
from infra.ops.cli.served import DIRECT, SERVED, leaves, parameters_of
from infra.runtime.postgres.tenant import tenant_transaction
from sinks.postgres.audit_log import PLATFORM, Change
from sinks.postgres.operator_tokens import NewOperatorToken, OperatorTokens, Role
from tests.integration.chain.running_chain import RunningChain
from tests.integration.chain.tenant import Tenant

TREE = dict(leaves(ticketstream))
AVAILABLE = sorted(SERVED & TREE.keys())
COMMAND = (sys.executable, "-c", "from infra.ops.cli.main import main; main()")


def _lines(name: str, text: str) -> dict[str, str]:
    return {"name": name, "base64": b64encode(text.encode()).decode()}


KEY = {"name": "key.txt", "base64": b64encode(b"some-key").decode()}
ROWS = """
SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM (
    SELECT to_jsonb(c) - 'updated_at' AS t FROM tenant_configs c UNION ALL SELECT to_jsonb(s) FROM webhook_secrets s
    UNION ALL SELECT to_jsonb(c) FROM servicedesk_credentials c UNION ALL SELECT to_jsonb(a) - 'last_used_at' FROM api_tokens a
    UNION ALL SELECT to_jsonb(k) FROM tenant_contacts k UNION ALL SELECT to_jsonb(k) FROM knowledge_articles k
    UNION ALL SELECT to_jsonb(i) FROM inventory i UNION ALL SELECT to_jsonb(h) FROM tickets h) rows
"""
"""All of a tenant that a person may change, as one number."""


@dataclass(frozen=True, slots=True)
class Console:
    """The chain's console, for one person."""

    chain: RunningChain
    name: str
    token: str
    token_id: str

    @property
    def url(self) -> str:
        assert self.chain.stack.endpoints.console
        return self.chain.stack.endpoints.console

    async def call(self, command: str, **parameters: Any) -> tuple[int, dict[str, Any]]:
        """Status and answer of the API."""
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.url}/api/v1/commands/{command.replace(' ', '/')}"
        async with self.chain.session.post(url, json=parameters, headers=headers) as answer:
            return answer.status, await answer.json()


async def person(chain: RunningChain, role: Role, *tenants: str) -> Console:
    """Somebody with a token of their own, whose name nobody else has."""
    name = f"Person {os.urandom(4).hex()}"
    new = NewOperatorToken(name, role, frozenset(tenants) or None)
    token, kept = await OperatorTokens(chain.pool).create(new, Change("test"))
    return Console(chain, name, token, kept.token_id)


@pytest.fixture(scope="module")
async def engineer(chain: RunningChain) -> AsyncIterator[Console]:
    """Afterwards nobody has an engineer's token who had none before: other tests set up a cell without one."""
    made = await person(chain, Role.ENGINEER)
    yield made
    await OperatorTokens(chain.pool).revoke(Change("test"), token_id=made.token_id)


async def from_elsewhere(console: Console, folder: Path, *words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command on a machine that has nothing but the console's address and a token."""
    source = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *words,
        cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**source, "TICKETSTREAM_CONSOLE_URL": console.url, "TICKETSTREAM_OPERATOR_TOKEN": console.token},
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def anywhere(tenant: Tenant, ticket_id: str) -> dict[str, tuple[str, ...]]:
    """Each served command as somebody would use it. Those of other rooms are added when they are there."""
    name, desk = tenant.tenant_id, ("--servicedesk-url", f"{tenant.chain.stack.endpoints.servicedesk}/{tenant.desk}")
    return {
        "audit": ("--tenant", name),
        "dead-letters list": ("--tenant", name),
        "dead-letters replay": ("--tenant", name),
        "dead-letters show": ("0:999999",),
        "export": ("--tenant", name, "--out", "export.jsonl", "--reason", "x"),
        "health": (),
        "history import": (name, "tickets.jsonl"),
        "inventory import": (name, "devices.jsonl"),
        "investigate": (name, ticket_id, "--reason", "x"),
        "knowledge import": (name, "articles"),
        "lag show": (),
        "reconcile": ("--tenant", name, "--dry-run"),
        "replay": ("--stage", "enrich", "--since", "1h", "--tenant", name),
        "report": ("--tenant", name),
        "tail": ("--tenant", name, "--seconds", "1"),
        "tenant contacts": (name,),
        "tenant create": (f"{name}-2", *desk, "--servicedesk-key-file", "key.txt", "--handover", "handover"),
        "tenant disable": (name,),
        "tenant enable": (name,),
        "tenant export": (name, "--out", "all.zip", "--reason", "x"),
        "tenant handover": (name, "again"),
        "tenant list": (),
        "tenant refusals": (name,),
        "tenant replace-credential": (name, "--servicedesk-key-file", "key.txt", "--reason", "x"),
        "tenant rotate-secret": (name, "--reason", "x"),
        "tenant set": (name, "gpt4_temperature=0.3"),
        "tenant show": (name,),
        "tenant verify": (name,),
        "token create": (name,),
        "token list": (name,),
        "token revoke": (name, "00000000-0000-0000-0000-000000000000", "--yes"),
        "webhook send": (name, "ticket.json"),
    }


NOT_DONE = {"dead-letters show", "tenant replace-credential", "tenant verify", "token revoke", "health"}
"""What finds nothing here, or something wrong: exit code 1 or 2 as on the machine itself."""


async def test_every_served_command_runs_from_a_machine_that_has_nothing(
    engineer: Console, tenant: Tenant, tmp_path: Path
) -> None:
    ticket_id = await tenant.ticket()
    (tmp_path / "key.txt").write_text("some-key")
    (tmp_path / "tickets.jsonl").write_text(
        '{"ticket_id": "1", "subject": "s", "description": "d", "resolution": "r"}\n'
    )
    (tmp_path / "devices.jsonl").write_text('{"asset_id": "1", "address": "10.0.0.1", "kind": "server"}\n')
    (tmp_path / "articles").mkdir()
    (tmp_path / "articles/one.md").write_text("---\nid: one\ntitle: One\n---\nText\n")
    (tmp_path / "ticket.json").write_text(json.dumps({"request": tenant.requests[ticket_id]}))
    examples, wrong = anywhere(tenant, ticket_id), {}
    two_at_once = asyncio.Semaphore(2)

    async def run(command: str) -> None:
        async with two_at_once:
            code, out, err = await from_elsewhere(engineer, tmp_path, *command.split(), *examples[command])
        missing = "is not set" in err or "no local stack" in err or "nobody is there" in err
        if code not in ((0, 1, 2) if command in NOT_DONE else (0,)) or missing or not (out + err):
            wrong[command] = (code, out[-300:], err[-500:])

    assert set(AVAILABLE) <= examples.keys(), "add how this command is used"
    async with asyncio.timeout(300):
        for together in (
            [one for one in AVAILABLE if one not in ("tenant disable", "tenant enable", "tenant rotate-secret")],
            ["tenant disable"], ["tenant enable"], ["tenant rotate-secret"],
        ):  # fmt: skip
            await asyncio.gather(*(run(command) for command in together))
    assert not wrong, wrong
    assert (tmp_path / "all.zip").stat().st_mode & 0o077 == 0 and (tmp_path / "all.zip").stat().st_size > 500
    assert {"handover.md"} <= {file.name for file in (tmp_path / "handover").iterdir()}


async def test_files_and_exit_codes_are_those_of_the_command_itself(
    engineer: Console, tenant: Tenant, tmp_path: Path
) -> None:
    code, out, _ = await from_elsewhere(engineer, tmp_path, "tenant", "show", tenant.tenant_id, "--json", "shown.json")
    assert code == 0 and "tenant_id" in out and (tmp_path / "shown.json").stat().st_mode & 0o077 == 0
    assert json.loads((tmp_path / "shown.json").read_text())["tenant_id"] == tenant.tenant_id
    code, out, _ = await from_elsewhere(engineer, tmp_path, "tenant", "show", "--json", tenant.tenant_id)
    assert json.loads(out)["tenant_id"] == tenant.tenant_id
    code, _, err = await from_elsewhere(engineer, tmp_path, "tenant", "show", "no-such-tenant")
    assert code == 1 and "no-such-tenant" in err
    code, _, err = await from_elsewhere(
        engineer, tmp_path, "tenant", "rotate-secret", tenant.tenant_id, "--window", "0"
    )
    assert (code, "add --yes" in err) == (2, True)
    code, _, err = await from_elsewhere(
        engineer, tmp_path, "tenant", "export", tenant.tenant_id, "--out", "shown.json", "--reason", "x"
    )
    assert code == 2 and "is there already" in err
    code, _, err = await from_elsewhere(
        engineer, tmp_path, "webhook", "send", tenant.tenant_id, "--sample", "--url", "http://127.0.0.1:1"
    )
    assert code == 2 and "not taken by the console" in err


TICKETS = _lines("t.jsonl", '{"ticket_id": "1", "subject": "s", "description": "d", "resolution": "r"}')
DEVICES = _lines("d.jsonl", '{"asset_id": "1", "address": "10.0.0.1", "kind": "server"}')
ARTICLES = _lines("a.jsonl", '{"id": "1", "title": "t", "body": "b"}')
NOT_THEIRS: dict[str, dict[str, Any]] = {
    "audit": {"tenant": "OTHER"},
    "dead-letters list": {"tenant": "OTHER"},
    "dead-letters replay": {"tenant": "OTHER", "yes": True, "why": "x"},
    "export": {"tenant": "OTHER", "reason": "x", "out": "x.jsonl"},
    "history import": {"tenant_id": "OTHER", "path": TICKETS},
    "inventory import": {"tenant_id": "OTHER", "path": DEVICES},
    "investigate": {"tenant_id": "OTHER", "ticket_id": "TICKET", "reason": "x"},
    "knowledge import": {"tenant_id": "OTHER", "path": ARTICLES},
    "reconcile": {"tenant": "OTHER"},
    "replay": {"stage": "enrich", "since": "1h", "tenant": "OWN,OTHER", "ticket": "TICKET", "yes": True, "reason": "x"},
    "report": {"tenant": "OTHER"},
    "tail": {"tenant": "OTHER", "seconds": 1},
    "tenant contacts": {"tenant_id": "OTHER", "given": ["technical=Jo <jo@x.example>"]},
    "tenant create": {"tenant_id": "OTHER", "servicedesk_url": "http://127.0.0.1:1", "servicedesk_key_file": KEY},
    "tenant disable": {"tenant_id": "OTHER"},
    "tenant enable": {"tenant_id": "OTHER"},
    "tenant export": {"tenant_id": "OTHER", "out": "x.zip", "reason": "x"},
    "tenant handover": {"tenant_id": "OTHER", "folder": "h"},
    "tenant refusals": {"tenant_id": "OTHER"},
    "tenant replace-credential": {"tenant_id": "OTHER", "servicedesk_key_file": KEY, "reason": "x"},
    "tenant rotate-secret": {"tenant_id": "OTHER", "reason": "x", "window": "0", "yes": True},
    "tenant set": {"tenant_id": "OTHER", "settings": ["gpt4_temperature=0.1"]},
    "tenant show": {"tenant_id": "OTHER"},
    "tenant verify": {"tenant_id": "OTHER"},
    "token create": {"tenant_id": "OTHER"},
    "token list": {"tenant_id": "OTHER"},
    "token revoke": {"words": ["OTHER", "00000000-0000-0000-0000-000000000000"], "yes": True},
    "webhook send": {"tenant_id": "OTHER", "sample": True},
}  # fmt: skip
"""Each command that takes a tenant, for one that isn't the person's."""
FOR_ENGINEERS: dict[str, dict[str, Any]] = {
    "tenant set": {"tenant_id": "OWN", "settings": ["gpt4_temperature=0.1", "max_concurrent_jobs=9"]},
    "tenant create": {"tenant_id": "OWN", "servicedesk_url": "http://127.0.0.1:1", "servicedesk_key_file": KEY,
                      "set": ["webhook_burst=9"]},
    "tenant replace-credential": {"tenant_id": "OWN", "servicedesk_key_file": KEY, "untested": True, "reason": "x"},
    "token create": {"person": "X", "role": "engineer", "tenant": ["OWN"]},
    "token revoke": {"person": "local stack", "yes": True},
    "token list": {"persons": True},
    "replay": {"stage": "enrich", "since": "1h", "tenant": "OWN", "yes": True, "reason": "x"},
}  # fmt: skip
"""What a served command refuses to support although the tenant is theirs."""


async def test_a_support_token_gets_nothing_that_is_not_its_own_and_every_try_is_audited(
    chain: RunningChain, tenant: Tenant, other_tenant: Tenant
) -> None:
    ticket_id = await other_tenant.ticket()
    support = await person(chain, Role.SUPPORT, tenant.tenant_id)
    names = {"OWN": tenant.tenant_id, "OTHER": other_tenant.tenant_id, "TICKET": ticket_id}
    both = (tenant.tenant_id, other_tenant.tenant_id)
    takes = {path for path in AVAILABLE if _takes_a_tenant(path)}
    assert takes <= NOT_THEIRS.keys(), "add how this command is tried with another's tenant"
    assert {path for path in AVAILABLE if right_to(path).role is Role.ENGINEER} <= FOR_ENGINEERS.keys()
    tries = [(path, _named(NOT_THEIRS[path], names)) for path in sorted(takes)]
    tries += [(path, _named(given, names)) for path, given in sorted(FOR_ENGINEERS.items()) if path in TREE]
    before, noted = await _all_of(chain, tenant, other_tenant), await _refused(chain, support, *both)
    for number, (path, given) in enumerate(tries, 1):
        status, told = await support.call(path, **given)
        assert status == 403, (path, given, status, told)
        assert await _refused(chain, support, *both) == noted + number, f"{path}: not audited"
    for path in sorted(DIRECT & TREE.keys()):
        assert (await support.call(path))[0] == 404, path
    assert await _all_of(chain, tenant, other_tenant) == before
    assert len(tries) >= 30


async def test_without_a_valid_token_nothing_runs(chain: RunningChain, tenant: Tenant) -> None:
    support = await person(chain, Role.SUPPORT, tenant.tenant_id)
    assert (await support.call("tenant show", tenant_id=tenant.tenant_id))[0] == 200
    await OperatorTokens(chain.pool).revoke(Change("test"), token_id=support.token_id)
    assert (await support.call("tenant show", tenant_id=tenant.tenant_id))[0] == 401


def _takes_a_tenant(path: str) -> bool:
    names = {one.name for one in parameters_of(path, TREE[path])}
    return path == "token revoke" or bool({"tenant_id", "tenant", "tenants"} & names)


def _named(given: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    def put(value: Any) -> Any:
        if isinstance(value, list):
            return [put(one) for one in value]
        if not isinstance(value, str):
            return value
        return ",".join(names.get(part, part) for part in value.split(","))

    return {name: put(value) for name, value in given.items()}


async def _all_of(chain: RunningChain, *tenants: Tenant) -> list[Any]:
    found = []
    for one in tenants:
        async with tenant_transaction(chain.pool, one.tenant_id) as connection:
            found.append(await connection.fetchval(ROWS))
    found.append({one.token_id for one in await OperatorTokens(chain.pool).all() if one.revoked_at})
    return found


async def _refused(chain: RunningChain, who: Console, *tenants: str) -> int:
    """How many refusals of this person the audit log has, under these tenants or none."""
    found = 0
    for tenant_id in (*tenants, PLATFORM):
        async with tenant_transaction(chain.pool, tenant_id) as connection:
            found += await connection.fetchval(
                "SELECT count(*) FROM audit_log WHERE operation = 'refused' AND who = $1", who.name
            )
    return found
