"""The pages behind the login."""

from __future__ import annotations

from infra.ops.console.pages import reason
from infra.ops.console.pages.actions_page import ACTIONS, ask, do
from infra.ops.console.pages.feedback_page import feedback
from infra.ops.console.pages.lag_page import lag, lag_json
from infra.ops.console.pages.letters_page import letter, letters, replay
from infra.ops.console.pages.lists_page import audit, held, refusals
from infra.ops.console.pages.tenant_page import tenant
from infra.ops.console.pages.tenants_page import find, tenants
from infra.ops.console.pages.ticket_page import ticket
from infra.ops.console.visits import Page

ROUTES: tuple[Page, ...] = (
    Page("GET", "/", tenants),
    Page("GET", "/find", find),
    Page("GET", "/lag", lag),
    Page("GET", "/lag.json", lag_json),
    Page("GET", "/letters", letters),
    Page("POST", "/letters/replay", replay),
    Page("GET", "/held", held),
    Page("GET", "/refusals", refusals),
    Page("GET", "/audit", audit),
    Page("GET", "/tenants/{tenant}", tenant),
    Page("POST", "/tenants/{tenant}/reason", reason.take),
    Page("GET", "/tenants/{tenant}/tickets/{ticket}", ticket),
    Page("GET", "/tenants/{tenant}/letters/{place}", letter),
    Page("GET", "/tenants/{tenant}/feedback", feedback),
    *(Page("GET", f"/tenants/{{tenant}}/{one.path}", ask(one)) for one in ACTIONS),
    *(Page("POST", f"/tenants/{{tenant}}/{one.path}", do(one)) for one in ACTIONS),
)
