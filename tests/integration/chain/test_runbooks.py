"""Each command of ours in the runbooks runs as it stands there, against the running chain."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.ops.local.servicedesk_simulator import DeskFault
from schemas.topics import Topic
from tests.integration.chain.running_chain import RunningChain
from tests.integration.chain.shelf import TenantShelf
from tests.integration.chain.tenant import Tenant
from tests.unit.infra.runbooks.commands import PAGES, commands

AT_ONCE = 3
SECONDS = 60.0
"""For one command, on a machine that is busy with other things."""
PROGRAM = """
import contextlib, io, json, sys
from infra.ops.cli.main import run
for words in json.loads(sys.argv[1]):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = run(words)
    print(json.dumps([words, code, said.getvalue()[-2000:]]), flush=True)
"""
"""Runs commands as the console script does, one after the other: what they import is paid for once."""

CHANGES = {"disable", "enable", "set", "rotate-secret", "replace-credential", "revoke", "create", "import"}
"""Commands with such a word get a tenant of their own."""
ASKS = {"rotate-secret", "revoke"}
"""Those that ask first are told --yes."""
MAY_SAY_NO = {("tenant", "verify"), ("audit", "--verify")}
"""Those that end with exit code 1 where they find something wrong, as their help says."""
NOT_RUN = {
    ("reconcile",): "all tenants: it would feed in what other tests left at their desks",
    ("key", "revoke"): "nothing that the key signed counts any more: it is the other tests', too; see test_signing_keys",
    ("audit", "--verify", "--seals", "SEALER_LOG"): "needs a sealer's log of a closed hour; see tests/integration/infra/ops/audit",
    ("topics", "ensure", "--acls"): "needs a Kafka with an authorizer; see tests/integration/infra/runtime/kafka",
    ("topics", "ensure", "--acls", "--dry-run"): "the same",
}  # fmt: skip


class Filling:
    """What stands in capitals in a runbook, as words of a command that runs."""

    def __init__(self, tenant: Tenant, spare: Tenant, folder: Path, known: dict[str, str]) -> None:
        self._tenant, self._spare, self._folder, self._known = tenant, spare, folder, known
        self._files = 0

    def words(self, command: list[str]) -> list[str]:
        changes = bool(CHANGES & set(command[:2]))
        values = {**self._known, "TENANT": (self._spare if changes else self._tenant).tenant_id}
        values |= {"FILE": str(self._file(command)), "FOLDER": str(self._folder_of(command))}
        filled = [values.get(word, word) for word in command]
        if "--seconds" in filled:
            filled[filled.index("--seconds") + 1] = "1"
        return [*filled, "--yes"] if ASKS & set(command[:2]) else filled

    def _file(self, command: list[str]) -> Path:
        self._files += 1
        file = self._folder / f"file{self._files}"
        contents = {
            ("tenant", "replace-credential"): f"authtoken-of-{self._spare.tenant_id}",
            ("history", "import"): json.dumps(
                {"ticket_id": "1", "subject": "Printer", "description": "Jams", "resolution": "Roller cleaned"}
            ),
            ("inventory", "import"): json.dumps({"asset_id": "A-1", "address": "10.0.0.1", "kind": "pc"}),
        }
        if text := contents.get((command[0], command[1])):
            file = file.with_suffix(".jsonl")
            file.write_text(text + "\n", encoding="utf-8")
        return file

    def _folder_of(self, command: list[str]) -> Path:
        folder = self._folder / "-".join(command[:2])
        if command[:2] == ["knowledge", "import"]:
            folder.mkdir(exist_ok=True)
            (folder / "a.md").write_text(
                "---\nid: KB-1\ntitle: Printer jams\n---\nClean the roller.\n", encoding="utf-8"
            )
        return folder


def wanted() -> list[list[str]]:
    """Every command of every runbook, each once."""
    found = {tuple(words): None for page in PAGES for words in commands(page, "ticketstream")}
    return [list(words) for words in found if words not in NOT_RUN and words[:2] not in NOT_RUN]


async def ran(chain: RunningChain, some: list[list[str]]) -> list[Any]:
    """Words, exit code and what was said, of each. A command that doesn't end fails the test by its name."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, json.dumps(some),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**chain.environment, "TICKETSTREAM_STATE_DIR": str(chain.stack.state_dir)},
    )  # fmt: skip
    assert process.stdout and process.stderr
    results: list[Any] = []
    for words in some:
        try:
            line = await asyncio.wait_for(process.stdout.readline(), SECONDS)
        except TimeoutError:
            process.kill()
            raise AssertionError(f"not done within {SECONDS:.0f} s: ticketstream {' '.join(words)}") from None
        assert line, (words, (await process.stderr.read()).decode())
        results.append(json.loads(line))
    await process.wait()
    return results


async def letter_of(tenant: Tenant) -> tuple[str, str]:
    """A dead letter of the tenant's, as `dead-letters list` shows it, and its ticket."""
    await tenant.faulty(DeskFault(kind="error", status=422, operation="add_note", calls=1))
    ticket_id = await tenant.told()
    synthesized = await tenant.chain.tap.first(Topic.ENHANCEMENTS_SYNTHESIZED, tenant.partition, ticket_id)
    letter = await tenant.chain.tap.letter_for(Topic.ENHANCEMENTS_SYNTHESIZED, tenant.partition, synthesized.offset)
    return f"{letter.partition}:{letter.offset}", ticket_id


@pytest.mark.timeout(300)
async def test_every_command_in_the_runbooks_runs(chain: RunningChain, shelf: TenantShelf, tmp_path: Path) -> None:
    tenant, spare = await shelf.take(), await shelf.take()
    letter, ticket_id = await letter_of(tenant)
    token = await spare.command("token", "create")
    known = {
        "CASE": "TS-1", "TICKET": ticket_id, "LETTER": letter, "TOKEN_ID": token["token_id"], "TOOL": "a tool",
        "SERVICE": "replay",
    }  # fmt: skip
    filling = Filling(tenant, spare, tmp_path, known)
    filled = [filling.words(words) for words in wanted()]
    shares = [filled[number::AT_ONCE] for number in range(AT_ONCE)]

    results = [one for share in await asyncio.gather(*(ran(chain, some) for some in shares)) for one in share]

    assert len(results) >= 40
    failed = [
        f"{' '.join(words)}: {code}\n{said}"
        for words, code, said in results
        if code != 0 and not (code == 1 and tuple(words[:2]) in MAY_SAY_NO)
    ]
    assert not failed, "\n\n".join(failed)
    assert [said for _, _, said in results if "Traceback" in said] == []


def test_what_is_not_run_is_in_a_runbook() -> None:
    every = {tuple(words) for page in PAGES for words in commands(page, "ticketstream")}

    assert {left for left in NOT_RUN if not any(words[: len(left)] == left for words in every)} == set()
