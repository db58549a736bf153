"""The desks' outgoing webhooks, signed as Standard Webhooks 1.0 (https://www.standardwebhooks.com)."""

import asyncio
import base64
import hashlib
import hmac
import time
import uuid
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp
import orjson

from infra.ops.local.servicedesk_simulator.settings import WebhookCause, WebhookTarget
from infra.ops.local.servicedesk_simulator.state import Desk, Fields

MOST_WAITING = 10_000
MOST_REMEMBERED = 10_000
SENDERS = 8
LONGEST_PAUSE = 5.0


@dataclass(slots=True)
class Delivery:
    """One webhook.

    `status` is the last answer's, 0 without an answer, None before the first; `done` after a 2xx or the last attempt.
    """

    desk: str
    cause: WebhookCause
    request_id: str
    webhook_id: str
    at: float
    attempts: int = 0
    status: int | None = None
    done: bool = False


@dataclass(frozen=True, slots=True)
class _Job:
    delivery: Delivery
    target: WebhookTarget
    body: bytes


def sign(secret: str, webhook_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of Standard Webhooks for `secret` (`whsec_` and base64)."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{webhook_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


class WebhookSender:
    """Sends webhooks from a bounded queue; one that finds it full is dropped and counted, as nobody waits for it."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[_Job] = asyncio.Queue(MOST_WAITING)
        self._remembered: deque[Delivery] = deque(maxlen=MOST_REMEMBERED)
        self._tasks: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None
        self._dropped = 0

    def report(self, desk: Desk, cause: WebhookCause, request: Fields) -> None:
        """Queue a webhook if the desk has one for this cause."""
        target = desk.settings.webhook
        if target is None or cause not in target.causes:
            return
        delivery = Delivery(desk.name, cause, request["id"], f"msg_{uuid.uuid4().hex}", time.time())
        try:
            self._queue.put_nowait(_Job(delivery, target, orjson.dumps({"request": request})))
        except asyncio.QueueFull:
            self._dropped += 1
            return
        self._remembered.append(delivery)

    def as_json(self, desk: str) -> dict[str, Any]:
        """The latest deliveries of a desk, and how many webhooks of all desks were dropped."""
        mine = [asdict(delivery) for delivery in self._remembered if delivery.desk == desk]
        return {"webhooks": mine, "dropped": self._dropped}

    def reset(self) -> None:
        """Forget what waits and what was."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self._remembered.clear()
        self._dropped = 0

    async def start(self) -> None:
        """Begin to send."""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15))
        self._tasks = [asyncio.create_task(self._send_all(self._session)) for _ in range(SENDERS)]

    async def stop(self) -> None:
        """Stop sending; what waits stays in the queue."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _send_all(self, session: aiohttp.ClientSession) -> None:
        while True:
            job = await self._queue.get()
            for attempt in range(job.target.attempts):
                pause = await self._send(session, job)
                if pause is None:
                    break
                if attempt + 1 < job.target.attempts:
                    await asyncio.sleep(max(pause, min(LONGEST_PAUSE, 0.2 * 2**attempt)))
            job.delivery.done = True

    async def _send(self, session: aiohttp.ClientSession, job: _Job) -> float | None:
        """One attempt. None when it was taken, else the seconds the receiver asks to wait."""
        delivery = job.delivery
        delivery.attempts += 1
        headers = sign(job.target.secret, delivery.webhook_id, int(time.time()), job.body)
        headers["Content-Type"] = "application/json"
        try:
            async with session.post(job.target.url, data=job.body, headers=headers, allow_redirects=False) as answer:
                delivery.status = answer.status
                if 200 <= answer.status < 300:
                    return None
                with suppress(ValueError):
                    return min(LONGEST_PAUSE, float(answer.headers.get("Retry-After", "0")))
        except (aiohttp.ClientError, TimeoutError):
            delivery.status = 0
        return 0.0
