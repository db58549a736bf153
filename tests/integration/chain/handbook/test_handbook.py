"""Each command of ours in handbook, runbooks and README runs as it stands there, against the running chain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from infra.ops.local.servicedesk_simulator import DeskFault, DeskSettings
from schemas.topics import Topic
from sinks.postgres.audit_log import Change
from sinks.postgres.operator_tokens import OperatorTokens
from tests.integration.chain.handbook.filling import PLACEHOLDERS, Filling
from tests.integration.chain.handbook.played import Participant
from tests.integration.chain.handbook.runners import Result, Runners
from tests.integration.chain.polling import until
from tests.integration.chain.running_chain import RunningChain
from tests.integration.chain.shelf import TenantShelf
from tests.integration.chain.tenant import Tenant
from tests.integration.operator_token import operator_token
from tests.unit.infra.handbook.commands import Command, commands, names_only
from tests.unit.infra.handbook.pages import HANDBOOK, WITH_COMMANDS

MODULES = sorted((HANDBOOK / "training").glob("module-*.md"))
OTHERS = [file for file in WITH_COMMANDS if file not in MODULES]

NOT_RUN = {
    ("up",): "starts a stack of its own; tests/integration/infra/ops/local does",
    ("bench",): "measures for minutes; its figures are no test's",
    ("drill",): "starts a stack of its own, and asks; tests/integration/drill does",
    ("audit", "--verify", "--seals"): "needs a sealer's log of a closed hour; tests/integration/infra/ops/audit has one",
    ("audit", "--verify", "--tenant", "TENANT", "--seals"): "the same",
    ("topics", "ensure", "--acls"): "needs a Kafka with an authorizer; tests/integration/infra/runtime/kafka has one",
    ("replay", "--resume"): "needs a replay that was stopped; tests/integration/infra/ops/replay stops one",
    ("replay", "--stage", "enrich", "--all-tenants"): "would read what all other tests left",
}  # fmt: skip
"""Beginnings of commands that aren't run here, and why."""

CHANGES = {"disable", "enable", "set", "create", "import", "contacts", "revoke"}
"""Commands with such a word get another tenant than those that only look."""
OF_ITS_OWN = {
    ("tenant", "create"), ("tenant", "rotate-secret"), ("tenant", "replace-credential"), ("tenant", "erase"),
    ("webhook", "send"),
}  # fmt: skip
"""Each of these gets a tenant that nobody else has."""
ASKS = {"rotate-secret", "revoke", "erase"}
"""Those that ask first are told --yes."""
MAY_SAY_NO = {("tenant", "verify"), ("audit", "--verify"), ("health",)}
"""Those that end with exit code 1 where they find something wrong, as their help says."""

BEFORE: dict[tuple[str, ...], tuple[str, ...]] = {
    ("tenant", "rotate-secret", "--end-old"): ("tenant", "rotate-secret", "TENANT"),
    ("tenant", "replace-credential", "--roll-back"): ("tenant", "replace-credential", "TENANT", "--servicedesk-key-file", "FILE"),
    ("tenant", "erase"): ("tenant", "disable", "TENANT"),
    ("webhook", "send", "--bearer"): (
        "tenant", "set", "TENANT", "webhook_auth=bearer", "webhook_sources=127.0.0.1", "--approved-by", "NAME", "--reason", "CASE",
    ),
}  # fmt: skip
"""What a page's reader did earlier: words that a command has → the command before it."""


def begins_with(words: tuple[str, ...], table: Iterator[tuple[str, ...]]) -> bool:
    return any(words[: len(some)] == some for some in table)


def wanted() -> list[Command]:
    """Every command of every page but the training's modules, each once."""
    found = {one.words: one for file in OTHERS for one in commands(file, "ticketstream") if not names_only(one)}
    return [one for words, one in found.items() if not begins_with(words, iter(NOT_RUN))]


@dataclass(slots=True)
class Desk:
    """Runs commands, each with the tenant that it needs."""

    chain: RunningChain
    shelf: TenantShelf
    runners: Runners
    folder: Path
    looked_at: Tenant
    changed: Tenant
    known: dict[str, str]

    async def run(self, command: Command) -> Result:
        words = command.words
        if "--watch" in words or (words[0] == "tail" and "--seconds" not in words):
            return await self.runners.stopped(self._filling(self.looked_at).words(words))
        filling = await self._filling_for(words)
        await self._before(words, filling)
        yes = ["--yes"] if ASKS & set(words[:2]) and "--yes" not in words else []
        ready = [*filling.words(words), *yes]
        result = await self.runners.run(ready, self.folder)
        if "--bearer" in words and result.code:  # the edge knows of it within 5 s
            result = await self._again(ready)
        return result

    async def _again(self, ready: list[str]) -> Result:
        results: list[Result] = []

        async def good() -> bool:
            results.append(await self.runners.run(ready, self.folder))
            return results[-1].code == 0

        await until(good, " ".join(ready))
        return results[-1]

    async def _before(self, words: tuple[str, ...], filling: Filling) -> None:
        for has, before in BEFORE.items():
            if set(has) <= set(words):
                result = await self.runners.run(filling.words(before), self.folder)
                assert result.code == 0, result.told()
        if words[:3] == ("token", "revoke", "--person"):
            name = filling.words(words)[3]
            made = ("token", "create", "--person", name, "--role", "support", "--tenant", self.changed.tenant_id)
            assert (result := await self.runners.run(made, self.folder)).code == 0, result.told()

    async def _filling_for(self, words: tuple[str, ...]) -> Filling:
        if words[:2] == ("tenant", "create"):
            return await self._newcomer()
        if words[:2] in OF_ITS_OWN or any("servicedesk_ca" in word or "webhook_auth" in word for word in words):
            return self._filling(await self.shelf.take())
        return self._filling(self.changed if CHANGES & set(words[:2]) else self.looked_at)

    def _filling(self, tenant: Tenant) -> Filling:
        return Filling(self.folder, {"TENANT": tenant.tenant_id, **self.known})

    async def _newcomer(self) -> Filling:
        tenant_id = f"msp-{uuid4().hex[:10]}"
        url = await self.chain.desks.put_desk(tenant_id, DeskSettings(kind="onprem", key=f"authtoken-of-{tenant_id}"))
        return Filling(self.folder, {**self.known, "TENANT": tenant_id}, url)


async def letter_of(tenant: Tenant) -> tuple[str, str]:
    """A dead letter of the tenant's, as `dead-letters list` shows it, and its ticket."""
    await tenant.faulty(DeskFault(kind="error", status=422, operation="add_note", calls=1))
    ticket_id = await tenant.told()
    synthesized = await tenant.chain.tap.first(Topic.ENHANCEMENTS_SYNTHESIZED, tenant.partition, ticket_id)
    letter = await tenant.chain.tap.letter_for(Topic.ENHANCEMENTS_SYNTHESIZED, tenant.partition, synthesized.offset)
    return f"{letter.partition}:{letter.offset}", ticket_id


@pytest.fixture(scope="module")
async def runners(chain: RunningChain) -> AsyncIterator[Runners]:
    """As an engineer. Afterwards those have tokens who had them before."""
    tokens = OperatorTokens(chain.pool)
    before = {one.token_id for one in await tokens.all()}
    token = await operator_token(chain.environment["DATABASE_URL_OPERATOR"], "reader of the handbook")
    async with Runners(chain, token).started() as started:
        yield started
    for one in await tokens.all():
        if one.token_id not in before:
            await tokens.revoke(Change("test"), token_id=one.token_id)


@pytest.fixture
async def desk(chain: RunningChain, shelf: TenantShelf, runners: Runners, tmp_path: Path) -> Desk:
    """With a tenant that has a note and a dead letter, and whatever else the placeholders stand for."""
    looked_at, changed = await shelf.take(), await shelf.take()
    letter, ticket_id = await letter_of(looked_at)
    await looked_at.delivered(await looked_at.told())
    token = await changed.command("token", "create")
    rotated, made = ("key", "rotate", "replay", "--out", str(tmp_path / "leaked.pem")), tmp_path / "key.json"
    assert (result := await runners.run([*rotated, "--json", str(made)], tmp_path)).code == 0, result.told()
    key_id = json.loads(made.read_text(encoding="utf-8"))["key_id"]
    known = {"TICKET": ticket_id, "LETTER": letter, "TOKEN_ID": token["token_id"], "KEY": key_id}
    return Desk(chain, shelf, runners, tmp_path, looked_at, changed, known)


@pytest.mark.timeout(400)
async def test_every_command_runs(desk: Desk) -> None:
    every = wanted()

    ended = await asyncio.gather(
        *(desk.run(one) for one in every), return_exceptions=True
    )  # one that hangs stops no other

    assert [repr(one) for one in ended if isinstance(one, BaseException)] == []
    results = [one for one in ended if isinstance(one, Result)]
    assert len(results) >= 100
    failed = [
        result.told()
        for one, result in zip(every, results, strict=True)
        if result.code not in one.codes and not (result.code == 1 and begins_with(one.words, iter(MAY_SAY_NO)))
    ]
    assert not failed, "\n\n".join(failed)
    assert [result.told() for result in results if "Traceback" in result.said] == []


@pytest.mark.timeout(200)
async def test_the_trainings_hands_on_can_be_played(shelf: TenantShelf, runners: Runners, tmp_path: Path) -> None:
    async def played(file: Path) -> None:
        (folder := tmp_path / file.stem).mkdir()
        await Participant(await shelf.take(), runners, folder).play(file)

    await asyncio.gather(*(played(file) for file in MODULES))


def test_what_is_not_run_is_on_a_page() -> None:
    every = {one.words for file in OTHERS for one in commands(file, "ticketstream")}

    assert {left for left in NOT_RUN if not any(words[: len(left)] == left for words in every)} == set()


def test_the_handbook_tells_the_placeholders() -> None:
    text = (HANDBOOK / "README.md").read_text(encoding="utf-8").partition("## Placeholders")[2]

    assert [name for name in PLACEHOLDERS if f"`{name}`" not in text] == []
