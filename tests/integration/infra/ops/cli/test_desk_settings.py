"""A tenant's desk on the command line: its address, its own certificate authority, its credential."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from infra.runtime.keys.rings import KeyRing
from infra.runtime.postgres.pool import open_pool
from sinks.postgres.credentials import DeskCredentials
from tests.contract.sinks.servicedesk.authority import authority
from tests.integration.infra.ops.cli.test_commands_on_servers import CommandLine, Database, command_line, new_tenant

__all__ = ["command_line"]


async def ca_of(ticketstream: CommandLine, postgres: Database, tenant_id: str) -> str:
    """As deliver reads it."""
    ring = KeyRing.parse(ticketstream.environment["TICKETSTREAM_CREDENTIAL_KEYS"], variable="TEST")
    async with await open_pool(postgres.dsns["deliver"], service="deliver", size=1) as pool:
        return (await DeskCredentials(pool, ring).get(tenant_id)).ca


async def test_a_desk_gets_an_authority_of_its_own_and_the_public_ones_again(
    ticketstream: CommandLine, tmp_path: Path, postgres: Database
) -> None:
    tenant_id, file, ours = (
        (await new_tenant(ticketstream, tmp_path))["tenant_id"],
        tmp_path / "ca.pem",
        authority("Our CA"),
    )
    file.write_text(f"notes of an administrator\n{ours.pem}")

    ran = await ticketstream("tenant", "set", tenant_id, f"servicedesk_ca=@{file}", "--reason", "SUP-1")

    assert ran.code == 0 and "servicedesk_ca = CN=Our CA (SHA-256 " in ran.out, ran.err
    until = f"until {ours.certificate.not_valid_after_utc:%Y-%m-%d}"
    assert until in (await ticketstream("tenant", "show", tenant_id, "--json")).value["servicedesk_ca"]
    assert await ca_of(ticketstream, postgres, tenant_id) == ours.pem

    assert (await ticketstream("tenant", "set", tenant_id, "servicedesk_ca=")).code == 0
    assert (await ticketstream("tenant", "show", tenant_id, "--json")).value["servicedesk_ca"] == "none"
    assert await ca_of(ticketstream, postgres, tenant_id) == ""
    admin = await asyncpg.connect(postgres.dsn)
    audited = await admin.fetch(
        "SELECT old_value, new_value FROM audit_log WHERE tenant_id = $1 AND subject = 'servicedesk_ca' ORDER BY audit_id",
        tenant_id,
    )
    await admin.close()
    assert [(old == "none", until in new) for old, new in audited[:1]] == [(True, True)]
    assert [(until in old, new) for old, new in audited[1:]] == [(True, "none")]


async def test_what_can_not_be_is_refused_when_it_is_typed_in_without_a_word_of_it(
    ticketstream: CommandLine, tmp_path: Path
) -> None:
    tenant_id, file = (await new_tenant(ticketstream, tmp_path))["tenant_id"], tmp_path / "ca.pem"
    file.write_text(f"{authority('x').pem}-----BEGIN PRIVATE KEY-----\nMC4CAQ\n")
    for setting, why in (
        (f"servicedesk_ca=@{file}", "holds a private key"),
        (f"servicedesk_ca={file}", "servicedesk_ca=@FILE"),
        ("servicedesk_base_url=http://desk.example.com", "is not https"),
        ("servicedesk_base_url=https://[::ffff:127.0.0.1]:8443", "is an internal address"),
    ):
        ran = await ticketstream("tenant", "set", tenant_id, setting)
        assert ran.code == 2 and why in ran.err and "MC4CAQ" not in ran.err, ran.err
    shown = (await ticketstream("tenant", "show", tenant_id, "--json")).value
    assert (shown["servicedesk_ca"], shown["servicedesk_base_url"]) == ("none", "https://desk.example.com")


async def test_a_credential_that_can_not_be_tried_is_refused_and_one_says_which(
    ticketstream: CommandLine, tmp_path: Path
) -> None:
    """Off the local stack a desk inside our own network is never spoken to, whoever asks."""
    tenant_id = (await new_tenant(ticketstream, tmp_path))["tenant_id"]
    words = ("tenant", "replace-credential", tenant_id)
    assert (await ticketstream(*words, "--roll-back", "--servicedesk-key-file", str(tmp_path / "desk.key"))).code == 2

    ran = await ticketstream(*words, "--servicedesk-key-file", str(tmp_path / "desk.key"))

    assert ran.code == 1 and "could not be tried" in ran.err and "desk-key" not in ran.err, ran.err
    ran = await ticketstream(*words, "--roll-back")
    assert ran.code == 1 and "no credential" in ran.err
