"""Desks and the edge: what goes well there, and what goes wrong."""

from __future__ import annotations

import json

from infra.ops.cli.webhook_request import headers, key_of, new_webhook_id, send
from infra.ops.local.servicedesk_simulator import DeskFault, DeskSettings
from infra.runtime.keys.rings import KeyRing
from schemas.reasons import Reason
from schemas.topics import Stage, Topic
from sinks.postgres.desk_access_tokens import StoredAccessTokens
from sinks.servicedesk.access_tokens import Kept, TokenOf
from sinks.servicedesk.authentication import CloudCredential
from tests.integration.canaries.buggy_stage import UNLUCKY
from tests.integration.canaries.flock import DEBUG, PATIENCE, Flock
from tests.integration.chain.polling import until
from tests.integration.chain.tenant import FEEDBACK_LINK, Tenant


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
    codes = await flock.run(
        (DEBUG, (*replace, "--servicedesk-key-file", flock.file("typo.key", typo))),
        (DEBUG, (*replace, "--servicedesk-key-file", flock.file("new.key", new), "--reason", "SUP-1")),
        (DEBUG, (*replace, "--roll-back")),
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


async def a_desk_that_cannot_sign(flock: Flock, engineer: str, other: Tenant) -> None:
    """Its secret is sent as it is, also to others' addresses; enrich asks the desk with its key, which the desk then refuses."""
    key, new = flock.plant("desk key in bearer mode"), flock.plant("new desk key in bearer mode")
    tenant = await flock.tenant("bearer", DeskSettings(kind="onprem", key=key), key)
    approved = ("webhook_auth=bearer", "webhook_sources=127.0.0.1", "--approved-by", "Kim", "--reason", "SUP-3")
    as_engineer = DEBUG | {"TICKETSTREAM_OPERATOR_TOKEN": engineer}
    assert await flock.run((as_engineer, ("tenant", "set", tenant.tenant_id, *approved))) == [0]
    first = await tenant.ticket()

    async def accepted() -> bool:
        return (await tenant.announce(first)).status == 202

    await until(accepted, "the edge knows the mode", seconds=PATIENCE)
    await tenant.delivered(first, seconds=PATIENCE)
    await _refused_bearers(flock, tenant, other)

    unlucky = await tenant.ticket(id=UNLUCKY)
    assert (await tenant.announce(unlucky)).status == 202
    letters = flock.chain.tap.records
    await until(lambda: letters(Topic.DEAD_LETTERS, tenant.partition, unlucky), "the bug's letter", seconds=PATIENCE)
    await tenant.faulty(*(DeskFault(kind=kind, operation="get_request", calls=1) for kind in ("garbage", "login_page")))
    await flock.chain.desks.put_desk(tenant.desk, DeskSettings(kind="onprem", key=new))
    second = await tenant.ticket()
    assert (await tenant.announce(second)).status == 202
    await tenant.handled(Stage.ENRICH, "hold", Reason.DESK_CREDENTIAL_REFUSED, seconds=PATIENCE)
    file = flock.file("bearer.key", new)
    replaced = ("tenant", "replace-credential", tenant.tenant_id, "--servicedesk-key-file", file, "--reason", "SUP-4")
    assert await flock.run((as_engineer, replaced)) == [0]
    await tenant.delivered(second, seconds=PATIENCE)


async def _refused_bearers(flock: Flock, tenant: Tenant, other: Tenant) -> None:
    nobodys = flock.plant("a bearer secret that nobody made")
    ticket = await tenant.ticket()
    refused = [await tenant.announce(ticket, secret=secret) for secret in (nobodys, other.secret)]
    refused.append(await other.announce(ticket, secret=tenant.secret))
    url, body = f"{flock.chain.ingest}/api/v1/webhooks/{tenant.tenant_id}", b'{"ticket_id":'
    secret = key_of(tenant.secret).decode()
    for scheme in ("Bearer", "Basic", ""):
        given = {"Content-Type": "application/json", "Authorization": f"{scheme} {secret}".strip()}
        refused.append(await send(flock.chain.session, url, body, given))
    for answer in refused:
        assert answer.status in (400, 403, 422), answer
        flock.needles.look("HTTP:the edge's refusals", str(answer.body))
