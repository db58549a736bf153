"""What `bench ingest` compares with: an aiohttp handler that only reads the body, on the event loop that is named.

`python -m infra.ops.bench.noop_server uvloop|asyncio` prints its port and serves until it is stopped.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web


async def handle(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(status=202, body=b'{"status":"read"}', content_type="application/json")


async def main() -> None:
    app = web.Application(client_max_size=1024 * 1024)
    app.router.add_post("/api/v1/webhooks/{tenant_id}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if sys.argv[1] == "uvloop" else None) as runner:
        runner.run(main())
