"""The client of the model server's control routes, for tests and the demo."""

from typing import Any

import aiohttp

from infra.ops.local.http_server import ControlClient
from infra.ops.local.model_server.server import PREFIX
from infra.ops.local.model_server.settings import ModelFault, ModelSettings


class ModelControl(ControlClient):
    """Controls a running model server at `url` (its base URL will do too). Every method raises ControlError when it is refused."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        super().__init__(url, session, PREFIX)

    async def put_settings(self, settings: ModelSettings) -> None:
        """Replace models, keys and prices."""
        await self.call("PUT", "/settings", settings.model_dump(mode="json"))

    async def calls(self, model: str | None = None) -> list[dict[str, Any]]:
        """The latest calls, oldest first, each with its whole `body`.

        Fields: model, started, ended, messages_hash, authorization_hash, body, size, status, fault, total_tokens.
        """
        found: list[dict[str, Any]] = (await self.call("GET", "/calls", model=model))["calls"]
        return found

    async def counts(self) -> dict[str, Any]:
        """`{calls, by_model, by_status, distinct_prompts, repeated_prompts, under_way, most_under_way}` of all calls."""
        found: dict[str, Any] = await self.call("GET", "/counts")
        return found

    async def set_faults(self, *faults: ModelFault) -> None:
        """Add faults."""
        await self.call("POST", "/faults", {"faults": [fault.model_dump(mode="json") for fault in faults]})

    async def faults(self) -> list[dict[str, Any]]:
        """The faults still set; `calls` is how many calls are left."""
        found: list[dict[str, Any]] = (await self.call("GET", "/faults"))["faults"]
        return found

    async def clear_faults(self) -> None:
        """Clear all faults."""
        await self.call("DELETE", "/faults")

    async def reset(self) -> None:
        """Forget faults and calls."""
        await self.call("POST", "/reset")
