"""What a support engineer does most with a tenant: each a form that asks for a reason, and the command's own answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from infra.ops.console.pages.showing import asked_for, show
from infra.ops.console.pages.tenant_page import Setting, stored_settings, tenant_of
from infra.ops.console.refusals import Refused
from infra.ops.console.visits import Handler, Visit
from sinks.postgres.tenant_settings import RULES

MOST_VALUE, MOST_REASON = 64 * 1024, 300


@dataclass(frozen=True, slots=True)
class Action:
    """`command` as in rights.py; `destroys` is what somebody may regret."""

    path: str
    command: str
    title: str
    button: str
    explained: str
    done: str
    destroys: bool = False


ROTATE = Action(
    "rotate-secret",
    "tenant rotate-secret",
    "Rotate the webhook secret",
    "Make a new secret",
    "A new secret becomes valid beside the old one, which ends by itself after 24 hours. The new one is shown once, on the next "
    "page: have the desk's administrator at hand. It takes some seconds until every edge has it.",
    "The secret below is shown only now. Put it into the desk's script before the old one ends.",
)
ENABLE = Action(
    "enable",
    "tenant enable",
    "Enable the tenant",
    "Enable",
    "Its webhooks are taken again, and what is in flight goes on.",
    "The tenant is enabled, everywhere within 5 s.",
)
DISABLE = Action(
    "disable",
    "tenant disable",
    "Disable the tenant",
    "Disable",
    "Its webhooks are refused, and what is in flight is held, until it is enabled again.",
    "The tenant is disabled, everywhere within 5 s.",
    destroys=True,
)
SET = Action(
    "set",
    "tenant set",
    "Change a setting",
    "Change it",
    "The change takes effect everywhere within seconds, and is noted down with the old value, the new one and the reason.",
    "The setting is changed, everywhere within 5 s.",
)
ACTIONS = (ROTATE, ENABLE, DISABLE, SET)


def ask(action: Action) -> Handler:
    """The form."""

    async def asked(request: web.Request, visit: Visit) -> web.StreamResponse:
        tenant_id, setting = request.match_info["tenant"], None
        async with visit.acting(tenant_id, command=action.command) as at_work:
            tenant = await tenant_of(at_work, tenant_id)
            if action is SET:
                setting = _chosen(await stored_settings(at_work, tenant), asked_for(request, "name")["name"])
        given = {"value": None, "agreed_by": None, "reason": None}
        return _shown(visit, action, tenant_id, answer=None, setting=setting, given=given)

    return asked


def do(action: Action) -> Handler:
    """Runs the command, and shows what it said."""

    async def done(request: web.Request, visit: Visit) -> web.StreamResponse:
        tenant_id, form, setting = request.match_info["tenant"], await request.post(), None
        given = {name: str(form.get(name, ""))[:MOST_REASON].strip() for name in ("reason", "agreed_by")}
        given["value"] = str(form.get("value", ""))[:MOST_VALUE].strip()
        asked: dict[str, Any] = {"tenant_id": tenant_id, "reason": given["reason"]}
        if not given["reason"]:
            raise Refused(422, "a reason is needed", "go back and say why, for the audit log", reason="no_reason")
        if action is SET:
            async with visit.acting(tenant_id) as at_work:
                tenant = await tenant_of(at_work, tenant_id)
                setting = _chosen(await stored_settings(at_work, tenant), str(form.get("name", "")))
            asked |= _changing(setting.name, given)
        answer = await visit.run(action.command, asked)
        return _shown(visit, action, tenant_id, answer=answer, setting=setting, given=given)

    return done


def _changing(name: str, given: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {"settings": [f"{name}={given['value']}"]}
    return found | ({"agreed_by": given["agreed_by"]} if given["agreed_by"] else {})


def _chosen(settings: list[Setting], name: str) -> Setting:
    if name not in RULES:
        raise Refused(404, f"there is no setting {name[:80]!r}", "choose one on the tenant's page", reason="no_setting")
    return next(one for one in settings if one.name == name)


def _shown(visit: Visit, action: Action, tenant_id: str, *, answer: Any, **values: Any) -> web.Response:
    status = 200 if answer is None or answer.done else 403 if answer.refused else 422
    return show(
        "action.html",
        visit,
        section="tenants",
        status=status,
        action=action,
        tenant_id=tenant_id,
        answer=answer,
        **values,
    )
