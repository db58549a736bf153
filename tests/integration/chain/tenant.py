"""One tenant of the chain as its people see it: a desk with tickets and notes, and signed webhooks to the edge."""

from __future__ import annotations

import itertools
import json
import re
import time
from dataclasses import dataclass, field
from typing import Any

from infra.ops.cli.webhook_request import Answer, headers, key_of, new_webhook_id, send
from infra.ops.local.servicedesk_simulator import DeskFault
from infra.ops.local.servicedesk_simulator.state import WrittenNote
from infra.runtime.postgres.tenant import tenant_transaction
from schemas.events import EnhancementDelivered
from schemas.topics import Stage, Topic
from tests.integration.chain.polling import PATIENCE, until
from tests.integration.chain.running_chain import RunningChain
from tests.integration.chain.tap import Seen

SUBJECT = "No network in the class room, address starts with 169.254"
DESCRIPTION = (
    "<div>Since this morning new tablets get an address that starts with 169.254, DHCP scope seems to be full.<br>"
    "The PC that was on all night, 10.74.16.20, still works.</div>"
)
REQUESTER = {"id": "4401", "name": "School Office", "email_id": "office@school.example"}
FEEDBACK_LINK = re.compile(r'href="(?P<url>[^"]+/f/[^"]+)"')
MARKER = re.compile(r"ticketstream:[0-9a-f]{24}")

_numbers = itertools.count(80_001)


@dataclass(slots=True)
class Tenant:
    """`desk` is its desk's name on the simulator, the same as its id; `secret` as it was shown, `whsec_…`."""

    chain: RunningChain
    tenant_id: str
    partition: int
    secret: str
    requests: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def desk(self) -> str:
        return self.tenant_id

    async def ticket(self, **fields: Any) -> str:
        """A new ticket at the desk; its id. Fields as the desk's API has them."""
        ticket_id = str(fields.pop("id", next(_numbers)))
        given = {"subject": SUBJECT, "description": DESCRIPTION, "requester": REQUESTER, "category": "Network"}
        given |= {"priority": "High", "site": "School", "account": "Northern Schools"}
        self.requests[ticket_id] = dict(
            await self.chain.desks.create_request(self.desk, id=ticket_id, **(given | fields))
        )
        return ticket_id

    async def edit(self, ticket_id: str, **fields: Any) -> None:
        """Change the ticket at the desk."""
        self.requests[ticket_id] = dict(await self.chain.desks.update_request(self.desk, ticket_id, **fields))

    async def webhook(self, ticket_id: str, *, webhook_id: str | None = None) -> Answer:
        """The signed webhook about a ticket as the desk last had it; the edge's answer."""
        body = json.dumps({"request": self.requests[ticket_id]}, ensure_ascii=False).encode()
        return await self.send(body, webhook_id)

    async def send(self, body: bytes, webhook_id: str | None = None) -> Answer:
        signed = headers(key_of(self.secret), webhook_id or new_webhook_id(), body)
        url = f"{self.chain.ingest}/api/v1/webhooks/{self.tenant_id}"
        return await send(self.chain.session, url, body, signed)

    async def announce(self, ticket_id: str, *, secret: str = "") -> Answer:
        """The webhook of a desk that can't sign: which ticket changed, and when. Another's `secret` may be given."""
        said = {"ticket_id": ticket_id, "operation": "created", "updated_time": str(time.time_ns() // 1_000_000)}
        bearer = {"Authorization": f"Bearer {key_of(secret or self.secret).decode()}"}
        url = f"{self.chain.ingest}/api/v1/webhooks/{self.tenant_id}"
        body = json.dumps(said).encode()
        return await send(self.chain.session, url, body, {"Content-Type": "application/json", **bearer})

    async def told(self, **fields: Any) -> str:
        """A new ticket and its webhook, accepted; the ticket's id."""
        ticket_id = await self.ticket(**fields)
        answer = await self.webhook(ticket_id)
        assert answer.status == 202, answer
        return ticket_id

    async def notes(self, ticket_id: str) -> list[WrittenNote]:
        """Every note ever written on a ticket."""
        return await self.chain.desks.notes(self.desk, ticket_id)

    async def delivered(self, ticket_id: str, number: int = 1, *, seconds: float = PATIENCE) -> EnhancementDelivered:
        """What came of the ticket's so-and-so-many-th enhancement."""
        return (await self.delivery(ticket_id, number, seconds=seconds)).event  # type: ignore[no-any-return]

    async def delivery(self, ticket_id: str, number: int = 1, *, seconds: float = PATIENCE) -> Seen:
        """The same as the record that it came in."""

        def look() -> list[Seen]:
            return self.deliveries(ticket_id)[number - 1 :]

        return (await until(look, f"delivery {number} of {self.tenant_id}'s {ticket_id}", seconds=seconds))[0]

    def deliveries(self, ticket_id: str) -> list[Seen]:
        return self.chain.tap.records(Topic.ENHANCEMENTS_DELIVERED, self.partition, ticket_id)

    async def handled(self, stage: Stage, outcome: str, reason: str = "", *, seconds: float = PATIENCE) -> int:
        """How many of this tenant's events had this outcome at this stage, once there is one."""

        async def look() -> int:
            return (await self.chain.handled(stage, self.tenant_id)).get((outcome, reason), 0)

        return await until(look, f"{stage}: {outcome} {reason} of {self.tenant_id}", seconds=seconds)

    async def failure(self, ticket_id: str) -> tuple[str, str]:
        """Reason and message in the ticket's row of enhancements, once that says that it failed."""
        failed = "SELECT reason, error_message FROM enhancements WHERE ticket_id = $1 AND status = 'failed'"

        async def look() -> list[Any]:
            async with tenant_transaction(self.chain.pool, self.tenant_id) as connection:
                return await connection.fetch(failed, ticket_id)

        (row,) = await until(look, f"{self.tenant_id}'s {ticket_id} failed")
        return row["reason"], row["error_message"]

    async def faulty(self, *faults: DeskFault) -> None:
        """Let the tenant's desk misbehave."""
        await self.chain.desks.set_faults(self.desk, *faults)

    async def command(self, *words: str) -> dict[str, Any]:
        """`ticketstream WORD SUBWORD TENANT …`."""
        return await self.chain.command(*words[:2], self.tenant_id, *words[2:])
