"""What every answer says to the browser.

Source: OWASP Secure Headers Project; ASVS 4.0.3 section 14.4.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-store",
}
HSTS = "max-age=31536000"

Sender = Callable[[web.Request, web.StreamResponse], Awaitable[None]]


def said_with_each(*, by_https: bool) -> Sender:
    """For `app.on_response_prepare`. Only `Cache-Control` may be another: a handler's own stays."""

    async def say(_: web.Request, response: web.StreamResponse) -> None:
        kept = response.headers.get("Cache-Control")
        response.headers.update(HEADERS)
        if kept:
            response.headers["Cache-Control"] = kept
        if by_https:
            response.headers["Strict-Transport-Security"] = HSTS
        response.headers["Server"] = "ticketstream"

    return say
