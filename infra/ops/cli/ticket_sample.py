"""The ticket that `ticketstream webhook send --sample` sends."""

from __future__ import annotations

import json
import time
from typing import Any

import aiohttp

from infra.ops.local.http_server import ControlError
from infra.ops.local.servicedesk_simulator import SimulatorControl

_TICKET: dict[str, Any] = {
    "subject": "VPN connects but nothing behind it can be reached",
    "description": "<div>Since this morning the VPN says <b>connected</b>, but neither the file server nor 10.20.20.22 "
    "answers.<br>It worked on Friday.</div>",
    "requester": {"id": "1", "name": "Sample Requester", "email_id": "sample.requester@customer.example"},
    "site": {"name": "Head Office"},
    "category": {"name": "VPN"},
    "priority": {"name": "Normal"},
    "status": {"name": "Open"},
}


def sample_request(ticket_id: str) -> dict[str, Any]:
    """A new ticket in ServiceDesk Plus's v3 form."""
    now = {"value": str(int(time.time() * 1000))}
    return {"id": ticket_id, **_TICKET, "created_time": now, "last_updated_time": now}


async def at_the_desk(simulator: str, tenant_id: str) -> dict[str, Any] | None:
    """The ticket as the tenant's simulated desk now has it; None where there is no such desk."""
    async with aiohttp.ClientSession() as session:
        try:
            return await SimulatorControl(simulator, session).create_request(tenant_id, **_TICKET)
        except (ControlError, aiohttp.ClientError, TimeoutError):
            return None


def body_of(request: dict[str, Any]) -> bytes:
    """What the desk's webhook says of the ticket."""
    return json.dumps({"request": request}, ensure_ascii=False).encode()


def announcement_of(request: dict[str, Any]) -> bytes:
    """What a desk in bearer mode says of the ticket."""
    updated = request.get("last_updated_time") or request["created_time"]
    return json.dumps({"ticket_id": request["id"], "operation": "created", "updated_time": updated["value"]}).encode()
