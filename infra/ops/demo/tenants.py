"""The demo's tenants: who they are, and the tickets that come in while one watches."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

ID_STEP = 100_000
"""Ticket ids of a later run are this much higher, so that each run's tickets are new ones."""


@dataclass(frozen=True, slots=True)
class LiveTicket:
    """A ticket as its desk will hold it; `fields` are those of the desk's API."""

    tenant_id: str
    ticket_id: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DemoTenant:
    """`form` of its desk. `data` is the folder with knowledge/, inventory.csv, history.jsonl and tickets.jsonl."""

    tenant_id: str
    form: str
    desk_key: str
    data: Path

    @property
    def desk(self) -> str:
        """Its desk's name on the simulator."""
        return self.tenant_id

    def tickets(self, run: int) -> list[LiveTicket]:
        """The live tickets with the ids of this run, which count from 1."""
        lines = (self.data / "tickets.jsonl").read_text(encoding="utf-8").split("\n")
        return [self._ticket(json.loads(line), run) for line in lines if line.strip()]

    def _ticket(self, written: dict[str, Any], run: int) -> LiveTicket:
        requester = written["requester"]
        ticket_id = str(int(written["ticket_id"]) + (run - 1) * ID_STEP)
        fields: dict[str, Any] = {
            "id": ticket_id,
            "subject": written["subject"],
            "description": written["description"],
            "requester": {"id": requester["id"], "name": requester["name"], "email_id": requester["email"]},
            "site": written.get("site"),
            "account": written.get("end_customer"),
            "category": written.get("category"),
            "priority": written.get("priority"),
            "status": "Open",
        }
        return LiveTicket(self.tenant_id, ticket_id, {name: value for name, value in fields.items() if value})


def demo_tenants() -> tuple[DemoTenant, ...]:
    """The first with 25 live tickets, the others with 16 each."""
    names = ("msp-acme-corp", "msp-harbor-it", "msp-nordwind")
    return tuple(DemoTenant(name, "onprem", f"demo-authtoken-{name}", _folder(name)) for name in names)


def _folder(tenant_id: str) -> Path:
    with as_file(files("infra.ops.demo") / "data" / tenant_id) as folder:
        return folder
