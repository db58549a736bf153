"""ip_data: the addresses and host names in a ticket, against the tenant's inventory and earlier incidents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from processors.enrich.ports import Found, Query
from processors.enrich.sources.items import item
from schemas.events import ContextItem, Source
from schemas.network_names import addresses, hostnames


@dataclass(frozen=True, slots=True)
class IpData:
    """Nothing is asked where a ticket names no address and nothing like a host name."""

    name: str = Source.IP_DATA.value

    async def find(self, query: Query) -> Sequence[ContextItem]:
        rows: list[Found] = []
        if named := addresses(query.text):
            rows += await query.search.by_addresses(query.tenant_id, named, query.ticket.end_customer)
        if hosts := hostnames(query.text):
            known = {row.id for row in rows}
            rows += [row for row in await query.search.by_hostnames(query.tenant_id, hosts) if row.id not in known]
        own = query.ticket.ticket_id  # it names its addresses itself, and is history by now
        return [item(self.name, row) for row in rows if row.kind != "incident" or row.id != own]
