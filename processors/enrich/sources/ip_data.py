"""ip_data: the addresses that a ticket names, against the tenant's inventory and earlier incidents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from processors.enrich.ports import Query
from processors.enrich.sources.items import item
from schemas.network_names import addresses
from schemas.events import ContextItem, Source


@dataclass(frozen=True, slots=True)
class IpData:
    """Nothing is asked where a ticket names no address."""

    name: str = Source.IP_DATA.value

    async def find(self, query: Query) -> Sequence[ContextItem]:
        named = addresses(query.text)
        if not named:
            return ()
        rows = await query.search.by_addresses(query.tenant_id, named)
        own = query.ticket.ticket_id  # it names its addresses itself, and is history by now
        return [item(self.name, row) for row in rows if row.kind != "incident" or row.id != own]
