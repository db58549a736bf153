"""A tenant comes in, from `tenant create` to its first note, with the commands, the hand-over and the script that people use."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from infra.ops.cli.acting import acting
from infra.ops.local.servicedesk_simulator import DeskSettings
from infra.ops.onboarding.check import Check
from infra.ops.onboarding.refusal_causes import cause
from infra.ops.onboarding.trial_delivery import Delivery, deliver_test
from infra.ops.onboarding.verification import verify
from sinks.postgres.tenant_settings import TenantSettings
from sinks.postgres.tenants import Change, TenantStore
from sinks.postgres.webhook_refusals import WebhookRefusals
from tests.integration.chain.polling import until
from tests.integration.chain.running_chain import PROGRAM, RunningChain
from tests.integration.chain.tenant import DESCRIPTION, REQUESTER, SUBJECT

KEY = "key-of-the-desk"
CONTACT = "Jo Doe <jo.doe@customer.example> +49 30 1234"
KINDS = ("technical", "executive", "sdp_administrator")
CLOCK = """
import runpy, sys, time
real = time.time
time.time = lambda: real() + {off}
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


async def ran(environment: dict[str, str], *words: str) -> Ran:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT, env=environment,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 120)
    assert b"Traceback" not in out, out.decode()
    return Ran(process.returncode or 0, out.decode())


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A tenant that was made with `tenant create` as a person does it; `said` is what that printed, `folder` its hand-over."""

    chain: RunningChain
    tenant_id: str
    folder: Path
    said: str

    async def ticketstream(self, *words: str) -> Ran:
        environment = {**self.chain.environment, "TICKETSTREAM_STATE_DIR": str(self.chain.stack.state_dir)}
        return await ran(environment, "-c", PROGRAM, *words)

    async def script(self, *words: str, off: int = 0, folder: Path | None = None) -> Ran:
        """The signing script, on a computer whose clock is `off` by so many seconds."""
        script = str((folder or self.folder) / "sdp_onprem.py")
        return await ran({"PATH": ""}, "-c", CLOCK.format(off=off), script, *words)

    async def settings(self) -> TenantSettings:
        return await TenantStore(self.chain.pool).show(self.tenant_id)

    async def delivered(self, ticket_id: str) -> Check:
        async with acting(self.chain.surroundings(), self.tenant_id) as at_work:
            return await deliver_test(at_work, Delivery(await self.settings(), ticket_id, 30.0))

    async def checks(self) -> dict[str, Check]:
        async with acting(self.chain.surroundings(), self.tenant_id) as at_work:
            return await verify(at_work, await self.settings())

    async def known(self) -> None:
        async def passes() -> bool:
            return (await self.script("--test")).code == 0

        await until(passes, f"the edge knows {self.tenant_id}")


@pytest.fixture(scope="module")
async def newcomer(chain: RunningChain, tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    tenant_id, folder = f"new-{uuid4().hex[:8]}", tmp_path_factory.mktemp("onboarding")
    url = await chain.desks.put_desk(tenant_id, DeskSettings(kind="onprem", key=KEY))
    (folder / "desk.key").write_text(KEY)
    contacts = [word for kind in KINDS[:2] for word in ("--contact", f"{kind}={CONTACT}")]
    made = Newcomer(chain, tenant_id, folder / "handover", "")
    done = await made.ticketstream(
        "tenant", "create", tenant_id, "--servicedesk-url", url, "--servicedesk-key-file", str(folder / "desk.key"),
        "--handover", str(made.folder), "--with-secret", *contacts,
    )  # fmt: skip
    assert done.code == 0, done.out
    await made.known()
    return Newcomer(chain, tenant_id, made.folder, done.out)


async def test_creating_walks_the_checklist_and_says_what_is_next(newcomer: Newcomer) -> None:
    marks = {words[1]: words[0] for line in newcomer.said.splitlines() if len(words := line.split()) > 1}
    assert [marks[name] for name in ("enabled", "edge", "desk", "credential", "secret", "partition")] == ["✓"] * 6
    assert [marks[name] for name in ("contacts", "webhook", "enhancement")] == ["✗"] * 3
    assert f"ticketstream tenant contacts {newcomer.tenant_id} sdp_administrator=" in " ".join(newcomer.said.split())
    assert sorted(file.name for file in newcomer.folder.iterdir() if file.suffix != ".log") == [
        "handover.md", "sdp_onprem.py", "ticketstream.secret",
    ]  # fmt: skip


async def test_the_scripts_test_tells_the_fingerprint_that_tenant_show_tells(newcomer: Newcomer) -> None:
    tested = await newcomer.script("--test")
    shown = (await newcomer.ticketstream("tenant", "show", newcomer.tenant_id, "--json")).out
    (line,) = (line for line in tested.out.splitlines() if line.startswith("fingerprint"))
    assert (tested.code, line.split()[1] in shown, line.split()[1] in newcomer.said) == (0, True, True)
    assert "the edge's: right" in tested.out and "TEST PASSED" in tested.out


@pytest.mark.parametrize("off", [-412, 412])
async def test_a_clock_that_is_off_fails_the_test_and_is_named_to_us_too(newcomer: Newcomer, off: int) -> None:
    tested = await newcomer.script("--test", off=off)
    assert tested.code == 1 and "TEST FAILED" in tested.out and "WRONG" in tested.out
    assert ("behind" if off < 0 else "ahead of") in tested.out
    told = await _cause(newcomer, f"s {'behind' if off < 0 else 'ahead'}, above 300 s")
    assert int(told.split("clock is ")[1].split()[0]) == pytest.approx(abs(off), abs=10)


async def test_a_wrong_secret_fails_the_test_and_leads_to_the_fingerprint(newcomer: Newcomer, tmp_path: Path) -> None:
    shutil.copy(newcomer.folder / "sdp_onprem.py", tmp_path)
    (tmp_path / "ticketstream.secret").write_text("A" * 43)
    (tmp_path / "ticketstream.secret").chmod(0o600)
    tested = await newcomer.script("--test", folder=tmp_path)
    assert tested.code == 1 and "wrong secret" in tested.out
    assert "wrong secret" in await _cause(newcomer, "wrong secret")


async def _cause(newcomer: Newcomer, words: str) -> str:
    async def look() -> str:
        kept = await WebhookRefusals(newcomer.chain.pool).list(newcomer.tenant_id)
        return "\n".join(cause(one) for one in kept if words in cause(one))

    return await until(look, f"a refusal that says {words}")


async def test_refusals_are_told_newest_first_with_their_cause(newcomer: Newcomer) -> None:
    found = (await newcomer.ticketstream("tenant", "refusals", newcomer.tenant_id, "--json")).json["refusals"]
    assert found == sorted(found, key=lambda one: one["at"], reverse=True)
    assert {"stale", "bad_signature", "schema"} <= {one["reason"] for one in found} and all(
        one["cause"] for one in found
    )


async def test_a_tenant_whose_ticket_got_its_note_passes_and_one_without_does_not(newcomer: Newcomer) -> None:
    chain, tenant_id = newcomer.chain, newcomer.tenant_id
    before = await newcomer.ticketstream("tenant", "verify", tenant_id, "--json")
    checks = before.json["checks"]
    assert before.code == 1 and not before.json["ok"]
    assert [name for name, check in checks.items() if not check["ok"] and not check.get("skipped")] == [
        "contacts",
        "enhancement",
    ]
    assert "--deliver-test" in checks["enhancement"]["cure"]

    request = await chain.desks.create_request(
        tenant_id, id="90001", subject=SUBJECT, description=DESCRIPTION, requester=REQUESTER, category="Network"
    )
    await newcomer.ticketstream("tenant", "contacts", tenant_id, f"sdp_administrator={CONTACT}")
    after = await newcomer.ticketstream("tenant", "verify", tenant_id, "--deliver-test", str(request["id"]), "--json")
    assert after.code == 0, after.out
    (note,) = await chain.desks.notes(tenant_id, "90001")
    assert after.json["ok"] and note.note_id in after.json["checks"]["enhancement"]["detail"]

    again, gone = [await newcomer.delivered(ticket_id) for ticket_id in ("90001", "90002")]
    assert again.ok and len(await chain.desks.notes(tenant_id, "90001")) == 1, "no second note"
    assert gone.ok is False and "90002" in gone.detail


async def test_the_script_sends_a_ticket_as_a_trigger_does(newcomer: Newcomer, tmp_path: Path) -> None:
    request = await newcomer.chain.desks.create_request(
        newcomer.tenant_id, id="90003", subject=f"{SUBJECT} – Zoë", description=DESCRIPTION, requester=REQUESTER
    )
    file = tmp_path / "ticket.json"
    file.write_text(json.dumps({"request": request}, ensure_ascii=False), encoding="utf-8")
    assert (await newcomer.script(str(file), "created")).code == 0

    async def noted() -> list[Any]:
        return await newcomer.chain.desks.notes(newcomer.tenant_id, "90003")

    assert len(await until(noted, "the note of 90003")) == 1


async def test_what_is_wrong_is_named_with_its_cure(newcomer: Newcomer) -> None:
    store, change = TenantStore(newcomer.chain.pool), Change("somebody", "a test")
    await store.enable(newcomer.tenant_id, False, change)
    await newcomer.chain.desks.put_desk(newcomer.tenant_id, DeskSettings(kind="onprem", key="another"))
    checks = await newcomer.checks()
    assert [name for name, check in checks.items() if check.ok is False] == ["enabled", "credential"]
    assert "replace-credential" in checks["credential"].cure and "tenant enable" in checks["enabled"].cure

    await store.set(newcomer.tenant_id, {"servicedesk_base_url": "http://127.0.0.1:1"}, change)
    checks = await newcomer.checks()
    assert (checks["desk"].ok, checks["credential"].ok) == (False, None) and "reach" in checks["desk"].detail
