"""Tenants whose desk is the stack's own simulator follow it to another port."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from infra.ops.local.free_ports import LOOPBACK
from infra.runtime.postgres.pool import Pool
from sinks.postgres.tenants import Change, TenantStore

WHO = "ticketstream up"
WHY = "the desk simulator listens on another port"
_THIS_MACHINE = frozenset({LOOPBACK, "localhost"})


async def move_desks(pool: Pool, *, before: int, now: int) -> list[str]:
    """Points tenants whose desk was at the simulator's former port at its present one. Returns their ids.

    For a database that is the stack's own: in another's, the same address may be another stack's simulator.
    """
    store, moved = TenantStore(pool), list[str]()
    for tenant in await store.list():
        url = moved_url(tenant.servicedesk_base_url, before, now)
        if url:
            await store.set(tenant.tenant_id, {"servicedesk_base_url": url}, Change(WHO, WHY))
            moved.append(tenant.tenant_id)
    return moved


def moved_url(url: str, before: int, now: int) -> str | None:
    """The URL with its port exchanged if it is plain http to this machine on the former port, else None."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in _THIS_MACHINE or parts.port != before:
        return None
    return urlunsplit(parts._replace(netloc=f"{parts.hostname}:{now}"))
