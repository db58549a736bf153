"""The morning's tickets of three tenants, at their desks and as signed webhooks, and the flood of one of them."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import aiohttp

from infra.ops.demo.deliveries import ACCEPTED, DUPLICATE, Kind, Planned, deliver
from infra.ops.demo.setting_up import Stage as Place
from infra.ops.demo.tenants import DemoTenant, LiveTicket

FIRST_ID = 900_001
QUOTED = "&gt; I am out of office. Your message was received and will be answered.<br>"
QUOTES = 400
"""Of the message before, in each message of the loop: about 30 KB."""


@dataclass(slots=True)
class Traffic:
    """`taken` are the tickets, by tenant and id, whose webhook the edge took, some of them at the second try."""

    place: Place
    taken: set[tuple[str, str]] = field(default_factory=set)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(FIRST_ID))

    async def peak(self, tenant: DemoTenant, per_second: float) -> None:
        """For ever, evenly."""
        texts = itertools.cycle(tenant.tickets(1))
        await self._evenly(tenant, per_second, ((next(texts).fields) for _ in itertools.count()))

    async def loop(self, tenant: DemoTenant, count: int, per_second: float) -> None:
        """Two mailboxes that answer each other, each answer a new ticket with all the earlier ones quoted."""
        first = tenant.tickets(1)[0].fields
        body = f"<div>I am out of office.<br>{QUOTED * QUOTES}</div>"
        fields = (
            {
                **first,
                "subject": f"Automatic reply: {'Re: ' * (1 + number % 9)}your message {number}",
                "description": body,
            }
            for number in range(count)
        )
        await self._evenly(tenant, per_second, fields)

    async def _evenly(self, tenant: DemoTenant, per_second: float, fields: Iterator[dict[str, object]]) -> None:
        began = time.monotonic()
        async with asyncio.TaskGroup() as sending:
            for number, one in enumerate(fields):
                await asyncio.sleep(max(0.0, began + number / per_second - time.monotonic()))
                sending.create_task(self._send(tenant, {**one, "id": str(next(self._ids))}))

    async def _send(self, tenant: DemoTenant, fields: dict[str, object]) -> None:
        """A desk that is too busy to take a ticket has none."""
        try:
            request = await self.place.desks.create_request(tenant.desk, **fields)
        except (aiohttp.ClientError, TimeoutError):
            return
        ticket_id = str(request["id"])
        ticket = LiveTicket(tenant.tenant_id, ticket_id, dict(fields))
        body = json.dumps({"request": request}, ensure_ascii=False).encode()
        planned = Planned(Kind.NEW, ticket, f"drill-{tenant.tenant_id}-{ticket_id}", body)
        url = self.place.around.webhook_url(tenant.tenant_id)
        sent = await deliver(
            planned, self.place.session, url, self.place.key(tenant), pause=lambda attempt: 0.5 * 2**attempt
        )
        if sent.answer is not None and sent.answer.status in (ACCEPTED, DUPLICATE):
            self.taken.add((tenant.tenant_id, ticket_id))
