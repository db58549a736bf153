"""A tenant of which analysts and reviewers have something to read: notes that were rated, and a ticket that failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from infra.ops.local.servicedesk_simulator import DeskFault
from infra.runtime.postgres.tenant import tenant_transaction
from tests.integration.chain.polling import until
from tests.integration.chain.tenant import Tenant

FORMULA = '=HYPERLINK("https://evil.example","click")'
HOSTILE = "<script>alert(1)</script> Wrong site, sadly."


@dataclass(frozen=True, slots=True)
class Finished:
    """Tickets with a note that was rated 4 and 5, one that was rated 1, and one that failed."""

    tenant: Tenant
    liked: str
    disliked: str
    failed: str


async def finish(tenant: Tenant) -> Finished:
    liked = await tenant.told()
    delivered = await tenant.delivered(liked)  # before the next is told of: readers expect this order
    disliked = await tenant.told(subject="Tablets get 169.254 again")
    await tenant.delivered(disliked)
    await tenant.faulty(DeskFault(kind="error", status=422, operation="add_note", calls=1))
    failed = await tenant.told(subject="DHCP scope is full in the library")
    await tenant.failure(failed)
    token = (await tenant.command("token", "create"))["token"]
    about = {"ticket_id": liked, "enhancement_id": delivered.enhancement_id}
    await _answered(tenant, token, about | {"rating": 4, "comment": FORMULA, "minutes_saved": 15})
    await _answered(tenant, token, {"ticket_id": liked, "rating": 5, "comment": "The right site at once."})
    await _answered(tenant, token, {"ticket_id": disliked, "rating": 1, "comment": HOSTILE, "minutes_saved": 5})
    return Finished(tenant, liked, disliked, failed)


async def _answered(tenant: Tenant, token: str, said: dict[str, Any]) -> None:
    """By a tool of the tenant's, until it is counted."""
    url, headers = f"{tenant.chain.ingest}/api/v1/feedback", {"Authorization": f"Bearer {token}"}
    async with tenant.chain.session.post(url, json=said, headers=headers) as answer:
        assert answer.status == 202, await answer.text()
        event_id = (await answer.json())["event_id"]

    async def counted() -> object:
        async with tenant_transaction(tenant.chain.pool, tenant.tenant_id) as connection:
            return await connection.fetchval(
                "SELECT 1 FROM feedback_aggregates WHERE tenant_id = $1 AND input_id = $2", tenant.tenant_id, event_id
            )

    await until(counted, "the answer is counted")
