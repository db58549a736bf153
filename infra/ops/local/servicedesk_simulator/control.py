"""The client of the simulator's control routes, for tests and the demo."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from infra.ops.local.http_server import ControlClient
from infra.ops.local.servicedesk_simulator.control_api import PREFIX
from infra.ops.local.servicedesk_simulator.settings import DeskFault, DeskSettings
from infra.ops.local.servicedesk_simulator.state import Fields, WrittenNote


@dataclass(frozen=True, slots=True)
class NotesRead:
    """A part of the note ledger, and where the next part starts."""

    notes: list[WrittenNote]
    next_start: int


class SimulatorControl(ControlClient):
    """Controls a running simulator at `url` (any URL on it will do). Every method raises ControlError when it is refused."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        super().__init__(url, session, PREFIX)

    async def put_desk(self, desk: str, settings: DeskSettings | None = None) -> str:
        """Create a desk, or replace its settings and keep its requests; its base URL."""
        answer = await self.call("PUT", f"/desks/{desk}", (settings or DeskSettings()).model_dump(mode="json"))
        return str(answer["url"])

    async def desks(self) -> list[dict[str, Any]]:
        """Each desk's name, URL, settings and counts."""
        found: list[dict[str, Any]] = (await self.call("GET", "/desks"))["desks"]
        return found

    async def remove_desk(self, desk: str) -> None:
        """Remove a desk and its requests; the note ledger stays."""
        await self.call("DELETE", f"/desks/{desk}")

    async def put_solutions(self, desk: str, solutions: Sequence[Fields]) -> None:
        """Replace a desk's solutions."""
        await self.call("PUT", f"/desks/{desk}/solutions", {"solutions": list(solutions)})

    async def create_request(self, desk: str, **fields: Any) -> Fields:
        """A new request, as the API shows it. `subject` is mandatory; `id` and times may be chosen."""
        request: Fields = (await self.call("POST", f"/desks/{desk}/requests", {"request": fields}))["request"]
        return request

    async def update_request(self, desk: str, request_id: str, **fields: Any) -> Fields:
        """Change a request, for example `status="Closed"`."""
        path = f"/desks/{desk}/requests/{request_id}"
        request: Fields = (await self.call("PATCH", path, {"request": fields}))["request"]
        return request

    async def delete_request(self, desk: str, request_id: str) -> None:
        """Delete a request; the note ledger stays."""
        await self.call("DELETE", f"/desks/{desk}/requests/{request_id}")

    async def requests(self, desk: str) -> list[Fields]:
        """All requests of a desk."""
        found: list[Fields] = (await self.call("GET", f"/desks/{desk}/requests"))["requests"]
        return found

    async def notes(self, desk: str = "", request_id: str | None = None) -> list[WrittenNote]:
        """Every note ever written, of one desk or of all."""
        return (await self.read_notes(desk, request_id)).notes

    async def read_notes(self, desk: str = "", request_id: str | None = None, start: int = 0) -> NotesRead:
        """The note ledger from a position on, for reading what is new."""
        path = f"/desks/{desk}/notes" if desk else "/notes"
        answer = await self.call("GET", path, request_id=request_id, start=start)
        return NotesRead([WrittenNote(**note) for note in answer["notes"]], answer["next_start"])

    async def calls(
        self, desk: str = "", operation: str | None = None, request_id: str | None = None
    ) -> dict[str, Any]:
        """`{"calls": [{desk, operation, request_id, at, status, fault}], "counts": {operation: n}}`."""
        path = f"/desks/{desk}/calls" if desk else "/calls"
        found: dict[str, Any] = await self.call("GET", path, operation=operation, request_id=request_id)
        return found

    async def webhooks(self, desk: str) -> list[dict[str, Any]]:
        """The latest outgoing webhooks: `{desk, cause, request_id, webhook_id, at, attempts, status, done}`."""
        found: list[dict[str, Any]] = (await self.call("GET", f"/desks/{desk}/webhooks"))["webhooks"]
        return found

    async def set_faults(self, desk: str, *faults: DeskFault) -> None:
        """Add faults to a desk."""
        await self.call(
            "POST", f"/desks/{desk}/faults", {"faults": [fault.model_dump(mode="json") for fault in faults]}
        )

    async def faults(self, desk: str) -> list[dict[str, Any]]:
        """The faults still set; `calls` is how many calls are left."""
        found: list[dict[str, Any]] = (await self.call("GET", f"/desks/{desk}/faults"))["faults"]
        return found

    async def clear_faults(self, desk: str = "") -> None:
        """Clear the faults of one desk or of all."""
        await self.call("DELETE", f"/desks/{desk}/faults" if desk else "/faults")

    async def revoke_tokens(self, desk: str) -> int:
        """Make a cloud desk's access tokens invalid; how many there were."""
        return int((await self.call("POST", f"/desks/{desk}/revoke-tokens"))["revoked"])

    async def reset(self) -> None:
        """Forget everything, also in the simulator's folder."""
        await self.call("POST", "/reset")
