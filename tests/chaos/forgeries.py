"""Webhooks that must be refused, and how, by the order of checks in the contracts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from infra.ops.cli.webhook_request import headers, key_of, new_webhook_id
from tests.chaos.tickets import Content, content

STALE_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Forgery:
    """`request` makes the headers and body anew for each try, since a time is in them. `token` stands in the ticket, if one can be
    read of it."""

    kind: str
    tenant_id: str
    ticket_id: str
    expected: tuple[int, ...]
    token: str
    request: Callable[[], tuple[dict[str, str], bytes]]


@dataclass(frozen=True, slots=True)
class Mark:
    """Whom a forger aims at. `secret` is that tenant's own, `others` another's."""

    tenant_id: str
    ticket_id: str
    secret: str
    others: str


Make = Callable[[Mark, Content, bytes], tuple[dict[str, str], bytes]]


def body_of(ticket_id: str, said: Content) -> bytes:
    """As a desk sends a new ticket."""
    request = {
        "id": ticket_id,
        "subject": said.subject,
        "description": said.description,
        "category": {"name": said.category},
    }
    return json.dumps({"request": request, "operation": "created"}).encode()


def _signed(mark: Mark, body: bytes, **changed: str) -> tuple[dict[str, str], bytes]:
    return headers(key_of(mark.secret), new_webhook_id(), body) | changed, body


def _without_signature(mark: Mark, said: Content, body: bytes) -> tuple[dict[str, str], bytes]:
    return {"Content-Type": "application/json"}, body


def _deep(mark: Mark, said: Content, body: bytes) -> tuple[dict[str, str], bytes]:
    return _signed(mark, b'{"request":' + b'{"x":' * 40 + b"1" + b"}" * 40 + b"}")


def _stale(mark: Mark, said: Content, body: bytes) -> tuple[dict[str, str], bytes]:
    return headers(key_of(mark.secret), new_webhook_id(), body, timestamp=int(time.time()) - STALE_SECONDS), body


KINDS: Mapping[str, tuple[tuple[int, ...], Make]] = {
    "wrong secret": ((403,), lambda mark, said, body: (headers(b"k" * 43, new_webhook_id(), body), body)),
    "another tenant's secret": ((403,), lambda mark, said, body: (headers(key_of(mark.others), new_webhook_id(), body), body)),
    "stale": ((403,), _stale),
    "changed after signing": ((403,), lambda mark, said, body: (_signed(mark, body)[0], body + b" ")),
    "no signature": ((400,), _without_signature),
    "time that is none": ((400,), lambda mark, said, body: _signed(mark, body, **{"webhook-timestamp": "soon"})),
    "broken JSON": ((400,), lambda mark, said, body: _signed(mark, body[:-3])),
    "not UTF-8": ((400,), lambda mark, said, body: _signed(mark, body[:-1] + b"\xff}")),
    "too large": ((413,), lambda mark, said, body: _signed(mark, body + b" " * (1024 * 1024))),
    "not JSON's type": ((415,), lambda mark, said, body: _signed(mark, body, **{"Content-Type": "text/plain"})),
    "encoded": ((415,), lambda mark, said, body: _signed(mark, body, **{"Content-Encoding": "gzip"})),
    "no ticket": ((422,), lambda mark, said, body: _signed(mark, b'{"request":{"subject":"x"}}')),
    "id that leads elsewhere": ((422,), lambda mark, said, body: _signed(mark, body_of("../1", said))),
    "too deep": ((422,), _deep),
}  # fmt: skip


def forgery(random: Random, kind: str, mark: Mark) -> Forgery:
    expected, make = KINDS[kind]
    said = content(random)
    body = body_of(mark.ticket_id, said)
    return Forgery(kind, mark.tenant_id, mark.ticket_id, expected, said.token, lambda: make(mark, said, body))
