"""A POST that acts for somebody logged in comes from our own page: the browser says so, and the form has the session's token.

Sources: OWASP Cross-Site Request Forgery Prevention (token bound to the session, Fetch Metadata, Origin), ASVS 4.0.3 section 4.2.2.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import urlsplit

from aiohttp import web

from infra.ops.console.refusals import Refused

FIELD = "csrf"
HEADER = "X-CSRF-Token"
_PURPOSE = b"ticketstream console csrf v1"


def csrf_token(session_id: str) -> str:
    """For a form's hidden field. Whoever doesn't know the session's id can't make it, and it doesn't tell the id."""
    return urlsafe_b64encode(hmac.digest(session_id.encode(), _PURPOSE, sha256)).decode().rstrip("=")


async def check_form(request: web.Request, session_id: str) -> None:
    """Refuses (403) unless the request comes from our own page, and the field (for scripts the header) has the session's token."""
    check_origin(request)
    given = request.headers.get(HEADER)
    if given is None:
        field = (await request.post()).get(FIELD)
        given = field if isinstance(field, str) else ""
    if not hmac.compare_digest(given.encode("utf-8", "replace"), csrf_token(session_id).encode()):
        raise _foreign("the form is too old or not ours")


def check_origin(request: web.Request) -> None:
    """Refuses (403) what another site's page sends. A browser that tells nothing of where it comes from is refused, too."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        if site != "same-origin":
            raise _foreign("another site's page sent this")
        return
    origin = request.headers.get("Origin", "")
    if not origin or urlsplit(origin).netloc != request.host:
        raise _foreign("the request doesn't say that it comes from this site's page")


def _foreign(what: str) -> Refused:
    return Refused(403, what, "open the page again and repeat it there", reason="csrf")
