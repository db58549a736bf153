"""Nobody is let in without a token that is good now, and nothing acts for somebody from another site's page."""

from __future__ import annotations

from datetime import timedelta

import pytest

from infra.ops.console.csrf import csrf_token
from infra.ops.console.login import next_of
from infra.ops.console.sign_in import WRONG_OF_A_SOURCE
from tests.unit.infra.ops.console.conftest import OURS, SUPPORT, TOKEN, Console

WRONG = "tso_" + "b" * 43


async def test_who_is_not_logged_in_is_led_to_the_login_and_back(console: Console) -> None:
    answer = await console.client.get("/shown?x=1", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/login?next=%2Fshown%3Fx%3D1")
    answer = await console.log_in(next="/shown?x=1")
    assert (answer.status, answer.headers["Location"]) == (303, "/shown?x=1")
    answer = await console.client.get("/shown")
    assert answer.status == 200 and (await answer.text()).startswith("Ada ")


async def test_the_cookie_is_for_this_site_alone_and_no_script_reads_it(console: Console) -> None:
    cookie = (await console.log_in()).headers["Set-Cookie"]
    assert cookie.startswith("console=") and "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie
    assert TOKEN not in cookie and "Secure" not in cookie  # the local stack has no https


async def test_by_https_the_cookie_is_bound_to_the_host() -> None:
    console = Console(by_https=True)
    await console.start()
    answer = await console.log_in()
    await console.client.close()
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-console=") and "Secure" in cookie and "Domain" not in cookie
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")


async def test_a_wrong_token_is_told_and_no_session_begins(console: Console) -> None:
    answer = await console.log_in(WRONG)
    assert answer.status == 401 and "Set-Cookie" not in answer.headers and not console.store.kept
    assert "no such token" in await answer.text() and console.tokens.refused == ["console login"]


async def test_who_guesses_has_to_wait_but_not_who_is_known(console: Console) -> None:
    await console.log_in()
    for _ in range(WRONG_OF_A_SOURCE):
        assert (await console.log_in(WRONG)).status == 401
    answer = await console.log_in(WRONG)
    assert answer.status == 429 and int(answer.headers["Retry-After"]) > 0
    assert len(console.tokens.refused) == WRONG_OF_A_SOURCE
    assert (await console.log_in()).status == 303


async def test_a_revoked_token_ends_its_session_at_once(console: Console) -> None:
    await console.log_in()
    console.tokens.persons.clear()
    answer = await console.client.get("/shown", allow_redirects=False)
    assert answer.status == 303 and not console.store.kept
    console.tokens.persons[TOKEN] = SUPPORT
    assert (await console.client.get("/shown", allow_redirects=False)).status == 303


async def test_a_session_ends_by_itself_and_by_logging_out(console: Console) -> None:
    await console.log_in()
    (session_id,) = console.store.kept
    answer = await console.client.post(
        "/logout", data={"csrf": csrf_token(session_id)}, headers=OURS, allow_redirects=False
    )
    assert answer.status == 303 and not console.store.kept and "Clear-Site-Data" in answer.headers
    await console.log_in()
    console.store.pass_time(timedelta(hours=9))
    assert (await console.client.get("/shown", allow_redirects=False)).status == 303


async def test_while_postgresql_is_away_nobody_is_let_through(console: Console) -> None:
    await console.log_in()
    console.store.away = True
    assert (await console.client.get("/shown", allow_redirects=False)).status == 503
    console.store.away, console.tokens.away = False, True
    answer = await console.client.get("/shown", allow_redirects=False)
    assert answer.status == 503 and answer.headers["Retry-After"] and console.store.kept
    assert (await console.log_in()).status == 503


@pytest.mark.parametrize(
    ("headers", "csrf", "status"),
    [
        (OURS, "right", 200),
        (OURS, "", 403),
        (OURS, "of another session", 403),
        ({"Sec-Fetch-Site": "cross-site"}, "right", 403),
        ({"Sec-Fetch-Site": "same-site"}, "right", 403),
        ({"Origin": "https://evil.example"}, "right", 403),
        ({"Origin": "null"}, "right", 403),
        ({}, "right", 403),
    ],
)
async def test_a_post_needs_our_own_page_and_the_sessions_token(
    console: Console, headers: dict[str, str], csrf: str, status: int
) -> None:
    await console.log_in()
    (session_id,) = console.store.kept
    token = {"right": csrf_token(session_id), "of another session": csrf_token("x" * 43)}.get(csrf, csrf)
    answer = await console.client.post("/changed", data={"tenant": "msp-one", "csrf": token}, headers=headers)
    assert answer.status == status
    assert console.commands.ran == ([("tenant enable", {"tenant_id": "msp-one"}, "Ada")] if status == 200 else [])


async def test_an_old_browser_tells_its_origin(console: Console) -> None:
    await console.log_in()
    (session_id,) = console.store.kept
    headers = {"Origin": f"http://{console.client.host}:{console.client.port}"}
    data = {"tenant": "msp-one", "csrf": csrf_token(session_id)}
    assert (await console.client.post("/changed", data=data, headers=headers)).status == 200


async def test_another_site_can_neither_log_somebody_in_nor_post_without_a_login(console: Console) -> None:
    answer = await console.client.post("/login", data={"token": TOKEN}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status == 403 and not console.store.kept
    assert (await console.client.post("/changed", data={"tenant": "x"}, headers=OURS)).status == 401


async def test_a_link_in_a_chat_comes_again_from_our_own_page(console: Console) -> None:
    answer = await console.client.get("/shown?a=<b>", headers={"Sec-Fetch-Site": "cross-site"}, allow_redirects=False)
    text = await answer.text()
    assert answer.status == 200 and 'http-equiv="refresh"' in text and "<b>" not in text


async def test_each_answer_tells_the_browser_what_it_may_do(console: Console) -> None:
    for path in ("/login", "/shown", "/no-such-page", "/static/console.css"):
        headers = (await console.client.get(path)).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == ("no-cache" if path.startswith("/static") else "no-store")
        assert headers["Permissions-Policy"] and "aiohttp" not in headers["Server"]


async def test_what_breaks_shows_nothing_of_itself(console: Console) -> None:
    await console.log_in()
    answer = await console.client.get("/broken")
    text = await answer.text()
    assert answer.status == 500 and "4711" not in text and "Traceback" not in text


async def test_what_is_not_there_is_a_page_and_for_programs_json(console: Console) -> None:
    assert "<h1>Not found</h1>" in await (await console.client.get("/nothing")).text()
    answer = await console.client.get("/api/v1/nothing")
    assert answer.status == 404 and (await answer.json())["error"] == "Not Found"


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/\n/x", "/" * 900]
)
def test_the_way_back_leads_nowhere_else(path: str) -> None:
    assert next_of(path) == "/"
    assert next_of("/tickets/a?b=c") == "/tickets/a?b=c"
