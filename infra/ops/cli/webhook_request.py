"""A signed webhook, as a tenant's desk sends it: Standard Webhooks 1.0 over the raw bytes of the body."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from ingest.verifier import BadSecret, raw_key, signature

SEND_SECONDS = 15.0
SHOWN_ANSWER_BYTES = 64 * 1024


def key_of(secret: str) -> bytes:
    """The HMAC key of a secret in either form it is shown in: `whsec_…`, or raw text of 43 characters. Raises BadSecret."""
    secret = secret.strip()
    if secret.startswith("whsec_"):
        return raw_key(secret)
    key = secret.encode()
    if not 24 <= len(key) <= 64:
        raise BadSecret(f"a webhook secret starts with whsec_, or is raw text of 24-64 bytes; this one has {len(key)}")
    return key


def new_webhook_id() -> str:
    return f"msg_{secrets.token_hex(12)}"


def headers(key: bytes, webhook_id: str, body: bytes, *, timestamp: int | None = None) -> dict[str, str]:
    """The headers that go with the body; `timestamp` in seconds since 1970, now by default."""
    at = str(int(time.time()) if timestamp is None else timestamp)
    return {
        "Content-Type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": at,
        "webhook-signature": signature(key, webhook_id.encode(), at.encode(), body).decode(),
    }


def bearer_headers(key: bytes) -> dict[str, str]:
    """For a tenant in bearer mode: the secret in place of a signature."""
    return {"Content-Type": "application/json", "Authorization": f"Bearer {key.decode('ascii', 'replace')}"}


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is the JSON object of the answer, or its text; `seconds_off` by its Date header, None without one."""

    status: int
    body: Any
    retry_after: str | None
    seconds_off: float | None

    @property
    def event_id(self) -> str | None:
        return self.body.get("event_id") if isinstance(self.body, dict) else None


async def send(session: aiohttp.ClientSession, url: str, body: bytes, signed: dict[str, str]) -> Answer:
    """Raises aiohttp.ClientError or TimeoutError where no answer came."""
    timeout = aiohttp.ClientTimeout(total=SEND_SECONDS)
    async with session.post(url, data=body, headers=signed, allow_redirects=False, timeout=timeout) as answer:
        content = await answer.content.read(SHOWN_ANSWER_BYTES)
        return Answer(
            answer.status, _json_or_text(content), answer.headers.get("Retry-After"), _off(answer.headers.get("Date"))
        )


def _json_or_text(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode("utf-8", "replace")


def _off(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() - time.time() if date else None
    except (TypeError, ValueError):
        return None
