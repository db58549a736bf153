"""The public application, from value objects, and the server that it runs in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import cast

from aiohttp import web

from infra.runtime.telemetry import tracing
from infra.runtime.telemetry.http_log import server_logger
from ingest import openapi
from ingest.connections import Connections
from ingest.feedback_api import FeedbackApi
from ingest.feedback_links import FeedbackLinks
from ingest.keys_route import KeysRoute
from ingest.middleware import answer_and_count, traced
from ingest.request_body import MAX_BODY_BYTES
from ingest.webhooks import WebhookEdge

LINGER_SECONDS = 2.0
KEEPALIVE_SECONDS = 75.0
FINISH_SECONDS = 7.0
BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Edge:
    """Everything that the public port serves."""

    webhooks: WebhookEdge
    feedback: FeedbackApi
    links: FeedbackLinks
    keys: KeysRoute


def public_app(edge: Edge) -> web.Application:
    around = [traced, answer_and_count] if tracing.on() else [answer_and_count]
    app = web.Application(middlewares=around, client_max_size=MAX_BODY_BYTES)
    app.add_routes(
        [
            web.post("/api/v1/webhooks/{tenant_id}", edge.webhooks.receive),
            web.post("/api/v1/feedback", edge.feedback.submit),
            web.get("/api/v1/feedback", edge.feedback.answers),
            web.get("/api/v1/feedback/stats", edge.feedback.stats),
            web.get("/f/{token}", edge.links.show),
            web.post("/f/{token}", edge.links.submit),
            web.get("/keys", edge.keys.get),
            web.get("/openapi.json", openapi.get),
        ]
    )
    return app


class PublicServer:
    """Serves an application. `stop` takes no new connections and gives requests under way 7 s."""

    def __init__(self, app: web.Application, connections: Connections | None = None) -> None:
        self._connections = connections or Connections()
        app.middlewares.insert(0, self._connections.middleware)
        # Bodies stay as they came: their signature is over the bytes, and a broken gzip stream would be a 500.
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=server_logger(),
            auto_decompress=False,
            lingering_time=LINGER_SECONDS,
            keepalive_timeout=KEEPALIVE_SECONDS,
            shutdown_timeout=FINISH_SECONDS,
        )
        self._listening: asyncio.Server | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Raises OSError when the port is taken."""
        await self._runner.setup()
        try:
            accept = self._connections.factory(cast(web.Server, self._runner.server))
            self._listening = await asyncio.get_running_loop().create_server(accept, host, port, backlog=BACKLOG)
        except OSError:
            await self._runner.cleanup()
            raise
        self.port = self._listening.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._listening:
            self._listening.close()
        await self._runner.cleanup()
