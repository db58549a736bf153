"""Why the edge refused a webhook, in words, and what to do: for support staff and a tenant's administrator."""

from __future__ import annotations

from sinks.postgres.webhook_refusals import Refusal

_CAUSES = {
    "bad_signature": "wrong secret, or the body was changed after it was signed: compare the fingerprint that the script's "
    "--test prints with the one of `ticketstream tenant show`",
    "bad_bearer": "wrong secret in the Authorization header: compare the fingerprint, or make a new one with "
    "`ticketstream tenant rotate-secret`",
    "bearer_not_approved": "unsigned, and the tenant isn't in bearer mode: an engineer approves it per tenant; else use the script",
    "bearer_source": "bearer mode, but from an address that isn't on the tenant's list: the desk's address changed, or it is "
    "somebody else's",
    "tenant_disabled": "the tenant is disabled here: ticketstream tenant enable ID",
    "signature_headers": "the sender's signature headers are wrong: use the script of the hand-over",
    "rate_limited": "more webhooks than the tenant's rate: raise webhook_rate_per_second with `ticketstream tenant set`, or find "
    "out why so many come",
    "conflicting_duplicate": "two bodies under one webhook-id: the sender must make a new id for each message",
    "schema": "the signature is right, a field of the body is not: mend the template",
    "too_large": "over 1 MiB: leave attachments out",
    "event_too_large": "the ticket is too large even when shortened: leave texts out",
    "content_type": "the sender must say Content-Type: application/json",
    "content_encoding": "a proxy in between compresses the body: switch that off",
    "not_json": "the body is no JSON: the desk's template puts texts in unescaped; use the script of the hand-over",
    "not_utf8": "the body is not UTF-8: the sender must encode it so",
    "slow_body": "the body took over 10 s to come: a slow proxy or line in between",
    "bad_framing": "the request was cut off or mangled: a proxy in between",
}


def cause(refusal: Refusal) -> str:
    """The likely cause of a refusal, and its cure."""
    off = refusal.seconds_off
    if refusal.reason == "stale" and off is not None:
        return f"{clock_off(off)}, above 300 s a webhook is stale: set the clock of the desk's server by NTP"
    if refusal.detail == "ticket_id is missing":
        return (
            "no ticket in it: most likely the signing script's --test, whose good end this is; else mend the template"
        )
    known = _CAUSES.get(refusal.reason, refusal.detail or refusal.reason)
    if refusal.reason == "bad_signature" and off is not None:
        return f"{known}; and {clock_off(off)}"
    if refusal.reason in ("schema", "signature_headers") and refusal.detail:
        return f"{refusal.detail}: {known}"
    return known


def clock_off(seconds: int) -> str:
    """How far a sender's clock is from ours."""
    return f"the sender's clock is {abs(seconds)} s {'ahead' if seconds > 0 else 'behind'}"
