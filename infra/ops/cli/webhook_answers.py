"""What the edge's answer to a webhook means, in words, and what to check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

STALE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Meaning:
    """`accepted`: the ticket is on its way, or was already."""

    accepted: bool
    says: str
    check: Sequence[str] = ()


_REFUSED_ALIKE = (
    "Is the tenant, or its secret, new? The edge knows it within 5 s: send it again.",
    "Is the secret the one that this tenant has now? One that was rotated ends a day later.",
    "Is the tenant id in the address right, and the tenant enabled? The edge answers alike for every one of these.",
    "Is the body signed byte for byte as it is sent? A proxy that reformats JSON breaks the signature.",
    "Is the signature `v1,` and the base64 of HMAC-SHA256 over `webhook-id.webhook-timestamp.body`?",
)

MEANINGS: dict[int, Meaning] = {
    200: Meaning(True, "The same webhook was accepted before; nothing was queued a second time."),
    202: Meaning(True, "Accepted: the event is durably queued, and its note follows."),
    400: Meaning(
        False,
        "The edge could not read it: a signature header is missing, doubled or misformed, or the body is not JSON in UTF-8.",
        ("Send webhook-id, webhook-timestamp (whole seconds since 1970) and webhook-signature, once each.",),
    ),
    403: Meaning(False, "The signature was refused, or the tenant is unknown or disabled.", _REFUSED_ALIKE),
    404: Meaning(
        False,
        "There is no such address on that server.",
        ("The path is /api/v1/webhooks/TENANT on the edge's public port, not on its internal one.",),
    ),
    408: Meaning(False, "The body took too long to arrive.", ("Is a slow proxy in between?",)),
    413: Meaning(False, "The body is larger than 1 MiB.", ("Send the ticket without its attachments.",)),
    415: Meaning(
        False,
        "The body is not application/json, or is compressed.",
        ("Send Content-Type: application/json, unpacked.",),
    ),
    422: Meaning(
        False,
        "The signature is right, but a field is not (the answer names it), or this webhook-id was used for another body.",
        (
            'The body is ServiceDesk Plus\'s v3 form {"request": {"id": …, "subject": …}}, or the flat template '
            '{"ticket_id": …, "subject": …}.',
        ),
    ),
    429: Meaning(
        False,
        "The tenant sends more than its rate allows.",
        ("Send it again after Retry-After, or raise webhook_rate_per_second with `ticketstream tenant set`.",),
    ),
    503: Meaning(
        False,
        "The edge can't take it at the moment: Kafka does not acknowledge, or it has no fresh view of the tenants.",
        ("Send it again after Retry-After. `/health` on the edge's internal port says which of them is away.",),
    ),
}


def meaning_of(status: int, *, seconds_off: float | None = None) -> Meaning:
    """`seconds_off`: how far the edge's clock is from ours, by its Date header."""
    known = MEANINGS.get(status)
    if known is None:
        return Meaning(
            False,
            f"HTTP {status} is not an answer of the edge.",
            ("Does the address lead to the edge itself? A proxy may have answered.",),
        )
    if status == 403 and seconds_off is not None and abs(seconds_off) > STALE_SECONDS / 2:
        clock = f"The clocks are {abs(seconds_off):.0f} s apart; above {STALE_SECONDS} s a webhook is stale. Set this clock."
        return Meaning(False, known.says, (clock, *known.check))
    return known
