"""Why somebody looks at a tenant's texts: asked once, kept for half an hour in the person's own browser, for that tenant only.

The cookie goes to that tenant's pages alone and is good in the session that gave it: whoever logs in next in the same browser is
asked anew. Each look is noted down with it, before anything is shown.
"""

from __future__ import annotations

import hmac
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from hashlib import sha256

from aiohttp import web

from infra.ops.cli.acting import Acting
from infra.ops.cli.sight import Sight
from infra.ops.console.pages.showing import show
from infra.ops.console.pages.telling import path
from infra.ops.console.visits import Visit
from sinks.postgres.audit_log import AuditLog

COOKIE = "reason"
MINUTES = 30
MOST_CHARACTERS = 300


def given(request: web.Request, visit: Visit, tenant_id: str) -> Sight | None:
    """The reason that this person gave for this tenant within half an hour."""
    seal, _, body = request.cookies.get(COOKIE, "").partition(".")
    if not hmac.compare_digest(seal.encode(), _seal(visit, body).encode()):
        return None
    try:
        tenant, reason, consent, until = json.loads(urlsafe_b64decode(body))
    except ValueError:
        return None
    return Sight(reason, consent) if tenant == tenant_id and until > time.time() else None


async def asked(request: web.Request, visit: Visit, tenant_id: str) -> web.Response:
    """The form that asks for it, instead of the page that needs it."""
    async with visit.acting(tenant_id):
        return _form(visit, tenant_id, request.rel_url.raw_path_qs, Sight())


async def take(request: web.Request, visit: Visit) -> web.StreamResponse:
    """`POST /tenants/{tenant}/reason`: back to where it was asked, with the cookie."""
    tenant_id, form = request.match_info["tenant"], await request.post()
    reason, consent, to = (str(form.get(name, "")).strip() for name in ("reason", "consent", "next"))
    async with visit.acting(tenant_id):
        pass
    home = path("tenants", tenant_id)
    if not to.startswith(f"{home}/") or "\\" in to or not to.isprintable():
        to = home
    if not reason or max(len(reason), len(consent)) > MOST_CHARACTERS:
        wrong = f"A reason is needed, of at most {MOST_CHARACTERS} characters."
        return _form(visit, tenant_id, to, Sight(reason, consent), wrong)
    body = urlsafe_b64encode(json.dumps([tenant_id, reason, consent, time.time() + MINUTES * 60]).encode()).decode()
    response = web.Response(status=303, headers={"Location": to})
    local = visit.rooms.around.variables.get("TICKETSTREAM_LOCAL") == "1"
    response.set_cookie(
        COOKIE,
        f"{_seal(visit, body)}.{body}",
        path=home,
        max_age=MINUTES * 60,
        secure=not local,
        httponly=True,
        samesite="Strict",
    )
    return response


async def note(at_work: Acting, tenant_id: str, operation: str, subject: str, sight: Sight) -> None:
    """Before it is shown. Raises PostgresUnavailable where it can't be noted down: then nothing may be shown."""
    entry = at_work.operator.change(sight.reason).entry(tenant_id, operation, subject)
    await AuditLog(at_work.pool).write(replace(entry, consent=sight.consent))


def _form(visit: Visit, tenant_id: str, to: str, before: Sight, wrong: str = "") -> web.Response:
    status = 422 if wrong else 200
    return show(
        "reason.html",
        visit,
        section="",
        status=status,
        tenant_id=tenant_id,
        to=to,
        minutes=MINUTES,
        reason=before.reason,
        consent=before.consent,
        wrong=wrong,
    )


def _seal(visit: Visit, body: str) -> str:
    return hmac.digest(f"reason {visit.csrf}".encode(), body.encode("utf-8", "replace"), sha256).hex()
