"""Secrets that can be recognised are planted wherever a secret can be, everything is made to go well and wrong, and then all that
the system wrote or shows is searched for them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

import pytest

from infra.ops.cli.tenancy import create_tenant
from infra.ops.cli.webhook_request import headers, key_of, new_webhook_id, send
from infra.ops.local.servicedesk_simulator import DeskFault, DeskSettings
from infra.ops.local.stack.service import ServiceState
from infra.runtime.keys.rings import KeyRing
from infra.runtime.keys.signing import SigningKey
from schemas.reasons import Reason
from schemas.topics import Stage
from sinks.postgres.desk_access_tokens import StoredAccessTokens
from sinks.postgres.tenants import Change, NewTenant
from sinks.servicedesk.access_tokens import Kept, TokenOf
from sinks.servicedesk.authentication import CloudCredential
from tests.integration.canaries import places
from tests.integration.canaries.buggy_deliver import UNLUCKY
from tests.integration.canaries.conftest import PARTITIONS, Aviary
from tests.integration.canaries.needles import Found, Needles
from tests.integration.chain.polling import until
from tests.integration.chain.shelf import STAGES_FOLLOW
from tests.integration.chain.tenant import FEEDBACK_LINK, Tenant

PATIENCE = 60.0
COMMANDS = """
import json, os, sys
from infra.ops.cli.main import run
surroundings, codes = dict(os.environ), []
for environment, words in json.loads(sys.stdin.read()):
    os.environ.clear()
    os.environ.update(surroundings | environment)
    print("$", *words, flush=True)
    codes.append(run(words))
print("codes", *codes)
"""


@dataclass
class Flock:
    """Two tenants with desks of both forms, and what was planted."""

    aviary: Aviary
    folder: Path
    needles: Needles = field(default_factory=Needles)

    @property
    def chain(self) -> Any:
        return self.aviary.chain

    def plant(self, name: str) -> str:
        """A new secret, which will be looked for."""
        secret = f"canary-{token_hex(16)}"
        self.needles.add(name, secret)
        return secret

    async def tenant(self, form: str, settings: DeskSettings, credential: str) -> Tenant:
        tenant_id = f"canary-{form}"
        base = await self.chain.desks.put_desk(tenant_id, settings)
        own: dict[str, Any] = {"external_model": form == "onprem"}
        new = NewTenant(tenant_id, base, credential, form, settings=own)
        change = Change("tests", "signed order", agreed_by="Head of IT")
        created = await create_tenant(self.chain.surroundings(), self.chain.pool, new, change)
        self.needles.add(f"webhook secret of {tenant_id}", created.secret.raw)
        self.needles.add(f"webhook secret of {tenant_id} as whsec", created.secret.whsec)
        return Tenant(self.chain, tenant_id, created.settings.partition, created.secret.whsec)

    async def run(self, *commands: tuple[dict[str, str], tuple[str, ...]]) -> list[int]:
        """The exit codes of commands; what they print is searched."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", COMMANDS,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env={**self.chain.environment, "TICKETSTREAM_STATE_DIR": str(self.chain.stack.state_dir)},
        )  # fmt: skip
        out, _ = await asyncio.wait_for(process.communicate(json.dumps(commands).encode()), PATIENCE)
        self.needles.look("commands:stdout and stderr", out)
        return [int(code) for code in out.decode().rpartition("codes ")[2].split()]

    def file(self, name: str, content: str) -> str:
        path = self.folder / name
        path.write_text(content)
        return str(path)


def plant_what_the_stack_made(flock: Flock) -> None:
    needles, stack, environment = flock.needles, flock.chain.stack, flock.chain.environment
    for name, secret in flock.aviary.chosen.items():
        needles.add(name, secret)
    for name, dsn in environment.items():
        if name.startswith("DATABASE_URL"):
            password = urlsplit(dsn).password
            assert password, name
            needles.add(f"password in {name}", password)
    folder = stack.state_dir / "secrets"
    for file in folder.glob("*.ring"):
        encoded = file.read_text().strip().partition(":")[2]
        needles.add(f"{file.name}, raw", b64decode(encoded))
        needles.add(file.name, encoded)
    for file in (folder / "signing").glob("*.pem"):
        needles.add(f"private key of {file.stem}", SigningKey.load(file)._private.private_bytes_raw())
        body = "".join(line for line in file.read_text().splitlines() if re.fullmatch(r"[A-Za-z0-9+/=]+", line))
        needles.add(f"PEM of {file.stem}", body)


async def well_and_wrong_at_the_edge(flock: Flock, tenant: Tenant) -> None:
    """Good webhooks come with the rest; here is what the edge refuses."""
    url, session = f"{flock.chain.ingest}/api/v1/webhooks/{tenant.tenant_id}", flock.chain.session
    body = json.dumps({"request": {"id": "1", "subject": "x"}}).encode()
    signed = headers(key_of(tenant.secret), new_webhook_id(), body)
    wrong = [
        (url, body + b" ", signed),
        (url, body, {**signed, "webhook-signature": "v1,AAAA"}),
        (url, body, {**signed, "webhook-timestamp": "1"}),
        (url, b"{", headers(key_of(tenant.secret), new_webhook_id(), b"{")),
        (url + "-nobody", body, signed),
    ]
    for target, content, given in wrong:
        answer = await send(session, target, content, given)
        assert answer.status in (400, 403, 422), answer
        flock.needles.look("HTTP:the edge's refusals", str(answer.body))
    bearer = flock.plant("a bearer token that nobody made")
    api = f"{flock.chain.ingest}/api/v1/feedback?tenant_id={tenant.tenant_id}"
    made = await flock.chain.command("token", "create", tenant.tenant_id, "--scope", "feedback:read")
    flock.needles.add("API token", made["token"])
    for token, status in ((made["token"], 200), (bearer, 401), (made["token"][:-1] + "!", 401)):
        async with session.get(api, headers={"Authorization": f"Bearer {token}"}) as got:
            assert got.status == status
            flock.needles.look("HTTP:feedback", await got.read())


async def a_feedback_link(flock: Flock, html: str) -> None:
    found = FEEDBACK_LINK.search(html)
    assert found
    for url in (found["url"], found["url"][:-3] + "xyz"):
        async with flock.chain.session.get(url) as got:
            flock.needles.look("HTTP:feedback link", await got.read())


async def a_key_changes(flock: Flock, tenant: Tenant, old: str) -> None:
    """The desk refuses the old one, an operator mistypes the new one, and then has it right."""
    new, typo = flock.plant("new desk key"), flock.plant("mistyped desk key")
    await flock.chain.desks.put_desk(tenant.desk, DeskSettings(kind="onprem", key=new))
    ticket = await tenant.told()
    await tenant.handled(Stage.DELIVER, "hold", Reason.DESK_CREDENTIAL_REFUSED, seconds=PATIENCE)
    replace = ("tenant", "replace-credential", tenant.tenant_id)
    debug = {"TICKETSTREAM_LOG_LEVEL": "DEBUG"}
    codes = await flock.run(
        (debug, (*replace, "--servicedesk-key-file", flock.file("typo.key", typo))),
        (debug, (*replace, "--servicedesk-key-file", flock.file("new.key", new), "--reason", "SUP-1")),
        (debug, (*replace, "--roll-back")),
    )
    assert codes == [1, 0, 1]
    await tenant.delivered(ticket, seconds=PATIENCE)


async def a_cloud_desk_refuses(flock: Flock, tenant: Tenant, settings: DeskSettings, credential: str) -> None:
    """Its access token is looked for, too: the first, and the one after it was revoked."""
    of = TokenOf(tenant.tenant_id, CloudCredential.parse(credential).key)
    ring = KeyRing.parse(
        (flock.chain.stack.state_dir / "secrets" / "credential_keys.ring").read_text().strip(), variable="R"
    )
    tokens = StoredAccessTokens(flock.chain.pool, ring)
    for number in range(2):
        await tenant.delivered(await tenant.told(), seconds=PATIENCE)
        kept = await tokens.take(of)
        assert isinstance(kept, Kept)
        flock.needles.add(f"access token {number}", kept.token)
        await flock.chain.desks.revoke_tokens(tenant.desk)
    changed = settings.model_copy(update={"client_secret": "changed-at-the-desk"})
    await flock.chain.desks.put_desk(tenant.desk, changed)
    await tenant.told()
    await tenant.handled(Stage.DELIVER, "hold", Reason.DESK_CREDENTIAL_REFUSED, seconds=PATIENCE)


async def a_desk_fails(flock: Flock, tenant: Tenant) -> None:
    """It refuses a note for good, answers rubbish and an error; and our own code has a bug: two dead letters."""
    unlucky = await tenant.told(id=UNLUCKY)
    refused = await tenant.ticket()
    await tenant.faulty(DeskFault(kind="error", status=422, operation="add_note", calls=1))
    assert (await tenant.webhook(refused)).status == 202
    assert (await tenant.failure(refused))[0] == Reason.DESK_REFUSED
    assert (await tenant.failure(unlucky))[0] == Reason.INTERNAL_ERROR
    await tenant.faulty(*(DeskFault(kind=kind, operation="get_request", calls=1) for kind in ("garbage", "login_page")))
    await tenant.delivered(await tenant.told(), seconds=PATIENCE)


async def operators_mistakes(flock: Flock, tenant: Tenant) -> None:
    password, ring, token = (
        flock.plant("a wrong DSN's password"),
        flock.plant("a wrong ring"),
        flock.plant("wrong token"),
    )
    own = urlsplit(flock.chain.environment["DATABASE_URL_OPERATOR"])
    refused = own._replace(netloc=f"{own.username}:{password}@{own.netloc.rpartition('@')[2]}").geturl()
    debug, key = (
        {"TICKETSTREAM_LOG_LEVEL": "DEBUG"},
        flock.file("desk.key", flock.plant("the key of a tenant never made")),
    )
    words = ("tenant", "show", tenant.tenant_id)
    desk = ("--servicedesk-url", flock.chain.desks.url, "--servicedesk-key-file", key)
    letters = ("--stage", "deliver", "--tenant", tenant.tenant_id)
    codes = await flock.run(
        (debug, words),
        (debug, ("tenant", "show", "nobody")),
        (debug, ("tenant", "create", tenant.tenant_id, *desk)),
        (debug, ("tenant", "set", tenant.tenant_id, "gpt4_temperature=hot")),
        (debug, ("dead-letters", "list", *letters)),
        (debug, ("dead-letters", "replay", *letters, "--reason", "desk_refused", "--why", "SUP-2", "--yes")),
        (debug, ("webhook", "send", tenant.tenant_id, "--sample")),
        (debug | {"DATABASE_URL_OPERATOR": refused}, words),
        (debug | {"DATABASE_URL_OPERATOR": f"postgresql://u:{password}@127.0.0.1:1/x"}, words),
        (debug | {"DATABASE_URL_OPERATOR": f"postgresql://u:{password}@[::1/x"}, words),
        (debug | {"DATABASE_URL_OPERATOR": f"u:{password}"}, words),
        (debug | {"TICKETSTREAM_CREDENTIAL_KEYS": ring}, ("tenant", "create", "msp-new", *desk)),
        (debug | {"TICKETSTREAM_WEBHOOK_KEYS": f"k:{ring}"}, ("webhook", "send", tenant.tenant_id, "--sample")),
        (debug | {"TICKETSTREAM_OPERATOR_TOKEN": token}, words),
    )
    assert codes[:-1] == [0, 1, 1, 2, 0, 0, 0, 1, 1, 2, 2, 1, 1], codes


async def a_process_that_refuses_its_settings(flock: Flock) -> None:
    ring, short = flock.plant("a ring without an id"), b64encode(flock.plant("a short ring").encode()).decode()
    for value in (ring, f"k1:{short}"):
        given = {"TICKETSTREAM_CREDENTIAL_KEYS": value, "TICKETSTREAM_LINK_KEYS": value}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "processors.deliver",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env={**flock.chain.environment, **given},
        )  # fmt: skip
        out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode == 2 and b"CREDENTIAL_KEYS" in out, out
        flock.needles.look("processes:settings", out)


async def a_process_dies(flock: Flock, service: str) -> None:
    supervisor = flock.chain.stack.supervisor
    before = supervisor.status(service)
    os.kill(before.pid, signal.SIGABRT)

    def again() -> bool:
        now = supervisor.status(service)
        known = flock.chain.stack.endpoints.internal.get(service)
        return now.state is ServiceState.RUNNING and now.restarts > before.restarts and known is not None

    await until(again, f"{service} runs again", seconds=PATIENCE)


async def search(flock: Flock) -> list[Found]:
    needles, chain = flock.needles, flock.chain
    for note in await chain.desks.notes():
        needles.look(f"notes:{note.request_id}", repr(note))
    for call in flock.aviary.model.ledger.calls():
        needles.look("prompts:", json.dumps(call["body"]))
    for body in flock.aviary.collector.received:
        needles.look("traces:", body)
    places.command_lines(needles)
    places.files_of_the_state_folder(needles, chain.stack)
    places.logs_of_the_servers(needles, flock.aviary.session_dir)
    places.records_of_all_topics(needles, flock.aviary, PARTITIONS)
    await places.rows_of_all_tables(needles, flock.aviary.superuser)
    await places.what_processes_show(needles, chain.stack, chain.session)
    return needles.found


@pytest.mark.timeout(400)
async def test_no_secret_is_found_in_anything_that_was_written(aviary: Aviary, tmp_path: Path) -> None:
    flock = Flock(aviary, tmp_path)
    plant_what_the_stack_made(flock)
    old_key = flock.plant("desk key")
    client = {
        "client_id": "client",
        "client_secret": flock.plant("client secret"),
        "refresh_token": flock.plant("refresh"),
    }
    credential = json.dumps({**client, "accounts_url": aviary.chain.desks.url})
    onprem = await flock.tenant("onprem", DeskSettings(kind="onprem", key=old_key), old_key)
    cloud = await flock.tenant("cloud", DeskSettings(kind="cloud", **client), credential)

    async def known() -> bool:
        return (await cloud.send(b"{}")).status == 422

    await until(known, "the edge knows the tenants", seconds=PATIENCE)
    await asyncio.sleep(STAGES_FOLLOW)
    ticket = await onprem.told()
    await onprem.delivered(ticket, seconds=PATIENCE)
    await a_feedback_link(flock, (await onprem.notes(ticket))[0].description)
    await asyncio.gather(
        well_and_wrong_at_the_edge(flock, onprem),
        a_cloud_desk_refuses(flock, cloud, DeskSettings(kind="cloud", **client), credential),
        a_process_that_refuses_its_settings(flock),
    )
    await a_desk_fails(flock, onprem)
    await a_key_changes(flock, onprem, old_key)
    await asyncio.gather(operators_mistakes(flock, onprem), a_process_dies(flock, "reconcile"))

    assert await search(flock) == []

    assert len(flock.needles.names) > 40, "all were planted"
    kinds = {"commands", "dead letters", "HTTP", "notes", "processes", "prompts", "ps", "servers' logs", "state folder"}
    assert set(flock.needles.searched) == kinds | {"topics", "tables", "PostgreSQL's views", "traces"}
    assert min(flock.needles.searched.values()) > 100, "something was searched everywhere"
    for name, status in aviary.chain.stack.supervisor.statuses().items():
        assert status.pid
        assert "TICKETSTREAM_OPERATOR_TOKEN" not in places.environment_of(status.pid), name
