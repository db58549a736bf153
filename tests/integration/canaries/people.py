"""People at the command line: their tokens, and their mistakes."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from sinks.postgres.operator_tokens import PREFIX
from tests.integration.canaries.flock import DEBUG, Flock
from tests.integration.chain.tenant import Tenant

TOKEN, TOKEN_FILE = "TICKETSTREAM_OPERATOR_TOKEN", "TICKETSTREAM_OPERATOR_TOKEN_FILE"


async def the_first_engineer(flock: Flock) -> str:
    """The token of one, made by whoever sets the cell up."""
    return await _token(flock, "Kim", "engineer")


async def persons_at_work(flock: Flock, engineer: str, tenant: Tenant) -> None:
    """With a token that is good, mistyped, in the wrong place, and revoked."""
    token = await _token(flock, "Sam", "support", by=engineer)
    typo, file = flock.plant("mistyped token"), flock.file("sam.token", token)
    show, listed = ("tenant", "show", tenant.tenant_id), ("token", "list", "--persons")
    sam = DEBUG | {TOKEN: token}
    codes = await flock.run(
        (sam, show),
        (sam, listed),
        (sam, ("token", "create", "--person", "X", "--role", "engineer", "--all-tenants")),
        (sam, ("tail", "--from-beginning", "--seconds", "1", "--json", "--reason", "SUP-5")),
        (DEBUG | {TOKEN_FILE: file}, show),
        (DEBUG | {TOKEN: f"{PREFIX}{typo}"}, show),
        (DEBUG | {TOKEN: token + typo}, show),
        (DEBUG | {TOKEN_FILE: token}, show),
        (DEBUG | {"DATABASE_URL_OPERATOR": "postgresql://u:p@127.0.0.1:1/x"} | sam, show),
        (DEBUG | {TOKEN: engineer}, ("token", "revoke", "--person", "Sam", "--yes", "--reason", "SUP-6")),
        (sam, show),
        (DEBUG | {TOKEN: engineer}, listed),
        (DEBUG | {TOKEN: engineer}, ("audit",)),
    )
    assert codes == [0, 0, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0, 0], codes
    api = f"{flock.chain.ingest}/api/v1/feedback?tenant_id={tenant.tenant_id}"
    async with flock.chain.session.get(api, headers={"Authorization": f"Bearer {engineer}"}) as got:
        assert got.status == 401
        flock.needles.look("HTTP:feedback", await got.read())


async def _token(flock: Flock, person: str, role: str, *, by: str = "") -> str:
    chain = replace(flock.chain, environment={**flock.chain.environment, **({TOKEN: by} if by else {})})
    made = await chain.command("token", "create", "--person", person, "--role", role, "--all-tenants")
    token = str(made["token"])
    flock.needles.add(f"token of {person}", token)
    flock.needles.add(f"token of {person}, without what tells that it is one", token.removeprefix(PREFIX))
    return token


async def operators_mistakes(flock: Flock, tenant: Tenant) -> None:
    password, ring, token = (
        flock.plant("a wrong DSN's password"),
        flock.plant("a wrong ring"),
        flock.plant("wrong token"),
    )
    own = urlsplit(flock.chain.environment["DATABASE_URL_OPERATOR"])
    refused = own._replace(netloc=f"{own.username}:{password}@{own.netloc.rpartition('@')[2]}").geturl()
    key = flock.file("desk.key", flock.plant("the key of a tenant never made"))
    words = ("tenant", "show", tenant.tenant_id)
    desk = ("--servicedesk-url", flock.chain.desks.url, "--servicedesk-key-file", key)
    letters = ("--stage", "deliver", "--tenant", tenant.tenant_id)
    codes = await flock.run(
        (DEBUG, words),
        (DEBUG, ("tenant", "show", "nobody")),
        (DEBUG, ("tenant", "create", tenant.tenant_id, *desk)),
        (DEBUG, ("tenant", "set", tenant.tenant_id, "gpt4_temperature=hot")),
        (DEBUG, ("dead-letters", "list", *letters)),
        (
            DEBUG | flock.aviary.login("replay"),
            ("dead-letters", "replay", *letters, "--reason", "desk_refused", "--why", "SUP-2", "--yes"),
        ),
        (DEBUG, ("webhook", "send", tenant.tenant_id, "--sample")),
        (DEBUG | {"DATABASE_URL_OPERATOR": refused}, words),
        (DEBUG | {"DATABASE_URL_OPERATOR": f"postgresql://u:{password}@127.0.0.1:1/x"}, words),
        (DEBUG | {"DATABASE_URL_OPERATOR": f"postgresql://u:{password}@[::1/x"}, words),
        (DEBUG | {"DATABASE_URL_OPERATOR": f"u:{password}"}, words),
        (DEBUG | {"TICKETSTREAM_CREDENTIAL_KEYS": ring}, ("tenant", "create", "msp-new", *desk)),
        (DEBUG | {"TICKETSTREAM_WEBHOOK_KEYS": f"k:{ring}"}, ("webhook", "send", tenant.tenant_id, "--sample")),
        (DEBUG | {"TICKETSTREAM_OPERATOR_TOKEN": token}, words),
    )
    assert codes[:-1] == [0, 1, 1, 2, 0, 0, 0, 1, 1, 2, 2, 1, 1], codes
