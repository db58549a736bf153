"""A page of ours from its template, and what a request asks for."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from infra.ops.cli.moment import moment
from infra.ops.console.pages.known import KNOWN, Known
from infra.ops.console.rendering import render
from infra.ops.console.visits import Visit

MOST_CHARACTERS = 200
MOST_PAGES = 1000
_PAGE = re.compile(r"[1-9]\d{0,3}")


def show(template: str, visit: Visit, *, section: str, status: int = 200, **values: Any) -> web.Response:
    """`section` is the tab that it belongs to, empty for none."""
    return render(template, visit=visit, status=status, section=section, now=datetime.now(UTC), **values)


def looking(request: web.Request, visit: Visit, tenant_id: str, what: str) -> web.Response:
    """While it is being looked for: a page that asks again after a second, without a script. By a header, since a page that
    refreshes itself by an element is taken for one that runs away from its reader."""
    here = request.rel_url.raw_path_qs
    page = show("looking.html", visit, section="tenants", tenant_id=tenant_id, what=what, here=here)
    page.headers["Refresh"] = "1"
    return page


def known(request: web.Request) -> Known:
    return request.app[KNOWN]


def asked_for(request: web.Request, *names: str) -> dict[str, str]:
    """These parameters, cut to what can be meant; empty where they aren't given."""
    return {name: request.query.get(name, "").strip()[:MOST_CHARACTERS] for name in names}


def page_of(request: web.Request) -> int:
    """From 1 on."""
    text = request.query.get("page", "1")
    return min(int(text), MOST_PAGES) if _PAGE.fullmatch(text) else 1


def moment_of(text: str) -> datetime | None:
    """As the command line takes it. Raises ValueError that says so."""
    return moment(text, datetime.now(UTC)) if text else None
