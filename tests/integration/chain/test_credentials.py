"""A desk's key is changed under a running chain: what was held for the old one goes out with the new one, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.ops.local.servicedesk_simulator import DeskSettings
from schemas.events import DeliveryOutcome
from schemas.reasons import Reason
from schemas.topics import Stage
from tests.integration.chain.running_chain import CommandFailed
from tests.integration.chain.tenant import Tenant


async def test_notes_held_for_a_refused_key_go_out_once_it_is_replaced(tenant: Tenant, tmp_path: Path) -> None:
    await tenant.chain.desks.put_desk(tenant.desk, DeskSettings(kind="onprem", key="the new key"))
    tickets = [await tenant.told() for _ in range(3)]
    assert await tenant.handled(Stage.DELIVER, "hold", Reason.DESK_CREDENTIAL_REFUSED) >= 1
    typo, right = tmp_path / "typo.key", tmp_path / "right.key"
    typo.write_text("the-mew-key\n")
    right.write_text("the-new-key\n")
    await tenant.chain.desks.put_desk(tenant.desk, DeskSettings(kind="onprem", key="the-new-key"))

    with pytest.raises(CommandFailed, match=r"exit code 1\n.*refuses this credential.*nothing was changed"):
        await tenant.command("tenant", "replace-credential", "--servicedesk-key-file", str(typo))
    assert [tenant.deliveries(ticket) for ticket in tickets] == [[], [], []]
    said = await tenant.command(
        "tenant", "replace-credential", "--servicedesk-key-file", str(right), "--reason", "SUP-4711"
    )

    assert said["tried"] == "good" and said["roll_back_until"] > said["since"]
    for ticket in tickets:
        assert (await tenant.delivered(ticket)).outcome is DeliveryOutcome.POSTED
        assert len(await tenant.notes(ticket)) == 1
    assert (await tenant.command("tenant", "show"))["servicedesk_credential"]["roll-back until"]
