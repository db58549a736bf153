"""`/letters`: dead letters, one of them, and replaying them: first what it would do, then doing it."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from infra.ops.cli.failure import WrongUse
from infra.ops.console.pages import reason
from infra.ops.console.pages.letter_shelf import Wanted
from infra.ops.console.pages.showing import asked_for, known, looking, moment_of, page_of, show
from infra.ops.console.visits import Visit
from schemas.reasons import Reason
from schemas.topics import Stage

A_PAGE = 50
FILTER = ("tenant", "ticket", "stage", "reason", "since", "until")
MOST_CHARACTERS = 300


async def letters(request: web.Request, visit: Visit) -> web.StreamResponse:
    given, page, shelf = asked_for(request, *FILTER), page_of(request), known(request).letters.shelf
    wrong = ""
    async with visit.acting(*([given["tenant"]] if given["tenant"] else []), command="dead-letters list"):
        try:
            wanted = Wanted(
                given["tenant"],
                given["reason"],
                given["stage"],
                given["ticket"],
                moment_of(given["since"]),
                moment_of(given["until"]),
            )
        except ValueError as error:
            wrong, wanted = str(error), Wanted(given["tenant"])
        found = shelf.newest(wanted, visit.operator.tenants, A_PAGE + 1, (page - 1) * A_PAGE)
    return show(
        "letters.html",
        visit,
        section="letters",
        status=422 if wrong else 200,
        letters=found[:A_PAGE],
        more=len(found) > A_PAGE,
        page=page,
        given=given,
        wrong=wrong,
        stages=[stage.value for stage in Stage],
        reasons=sorted(one.value for one in Reason),
        complete=shelf.complete,
        error=shelf.error,
    )


async def letter(request: web.Request, visit: Visit) -> web.StreamResponse:
    tenant_id, place = request.match_info["tenant"], request.match_info["place"]
    sight = reason.given(request, visit, tenant_id)
    if sight is None:
        return await reason.asked(request, visit, tenant_id)
    async with visit.acting(tenant_id, command="dead-letters show"):  # each time, also to fetch what was found
        pass

    async def search() -> dict[str, Any]:
        async with visit.acting(tenant_id, command="dead-letters show") as at_work:
            return await known(request).room.look(at_work, tenant_id, place, sight)

    found = await known(request).searches.found((visit.session.session_id, tenant_id, place, sight), search)
    if found is None:
        return looking(request, visit, tenant_id, f"dead letter {place}")
    event = json.dumps(found["event"], ensure_ascii=False, indent=2) if found["event"] else ""
    return show("letter.html", visit, section="letters", tenant_id=tenant_id, place=place, letter=found, event=event)


async def replay(request: web.Request, visit: Visit) -> web.StreamResponse:
    """`POST /letters/replay`: without `confirm` it is only shown what would be done."""
    form = await request.post()
    given = {name: str(form.get(name, ""))[:MOST_CHARACTERS].strip() for name in (*FILTER, "letter", "why")}
    again, do = bool(form.get("again")), form.get("confirm") == "yes"
    if not given["tenant"]:
        raise WrongUse("whose letters are meant is not clear", "filter by a tenant")
    if do and not given["why"]:
        raise WrongUse("a replay needs a reason", "say why, for the audit log")
    asked: dict[str, Any] = {name: value for name, value in given.items() if value}
    asked |= {"again": True} if again else {}
    answer = await visit.run("dead-letters replay", asked | ({"yes": True} if do else {}))
    return show(
        "replay.html",
        visit,
        section="letters",
        status=200 if answer.done else 403 if answer.refused else 422,
        plan=answer,
        given={**given, "again": again},
    )
