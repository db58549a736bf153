"""Every page in real Chromium: axe finds nothing, in light and dark; narrow, too; what is hostile stays text; the pictures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.integration.infra.ops.console.browsing import OF_COLOURS, PHONE, RULES, engineer, person
from tests.integration.infra.ops.console.console_world import ACME, ANSWERED, EVIL, EVIL_TICKET, HELD, ConsoleWorld

PICTURES = os.environ.get("TICKETSTREAM_CONSOLE_PICTURES")
"""A folder that the handbook's pictures are written to."""
MOST_BYTES = 150_000
PICTURE = {"width": 1080, "height": 680}
PAGES = {
    "tenants": "/",
    "tenant": f"/tenants/{ACME}",
    "held-tenant": f"/tenants/{HELD}",
    "ticket": f"/tenants/{ACME}/tickets/{ANSWERED}",
    "hostile-ticket": f"/tenants/{ACME}/tickets/{EVIL_TICKET}",
    "dead-letters": "/letters",
    "dead-letter": f"/tenants/{ACME}/letters/0:1",
    "held": "/held",
    "feedback": f"/tenants/{ACME}/feedback",
    "lag": "/lag",
    "lag-by-tenant": "/lag?by=tenant&stage=deliver",
    "refusals": "/refusals",
    "audit": "/audit",
    "reason": f"/tenants/{HELD}/feedback",
    "setting": f"/tenants/{ACME}/set?name=external_model",
    "rotate-secret": f"/tenants/{ACME}/rotate-secret",
    "disable": f"/tenants/{ACME}/disable",
    "filtered": "/?q=held&sort=lag&down=1",
    "no-such-page": "/nothing",
}
HOSTILE = ("tenant", "hostile-ticket", "dead-letters", "dead-letter", "feedback", "refusals", "audit")
IN_THE_HANDBOOK = ("tenants", "tenant", "ticket", "dead-letters", "feedback", "lag")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_on_any_page_and_the_browser_reports_no_error(
    world: ConsoleWorld, browser: Any, scheme: str
) -> None:
    rules = RULES if scheme == "light" else OF_COLOURS
    found: dict[str, list[str]] = {}
    async with engineer(browser, world, scheme=scheme, size=PICTURE) as kim:
        for name, path in PAGES.items():
            status = await kim.goto(path)
            assert status == (404 if name == "no-such-page" else 200), name
            expected = 1 if name == "no-such-page" else 0  # the browser's own line about the 404
            found[name] = [*await kim.violations(rules), *kim.wrong[expected:]]
            kim.wrong.clear()
            assert await kim.page.locator("h1").count() == 1, name
            await _picture(kim.page, name, scheme)
    async with person(browser, world, scheme=scheme) as stranger:
        await stranger.goto("/")
        found["login"] = [*await stranger.violations(rules), *stranger.wrong]
        await _picture(stranger.page, "login", scheme)
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


async def test_at_320_pixels_nothing_but_tables_scrolls_sideways(world: ConsoleWorld, browser: Any) -> None:
    too_wide = {}
    async with engineer(browser, world, size=PHONE) as kim:
        for name, path in PAGES.items():
            await kim.goto(path)
            width = await kim.page.evaluate("document.documentElement.scrollWidth")
            if width > PHONE["width"]:
                too_wide[name] = width
            await _picture(kim.page, f"{name}-narrow", "light")
    assert too_wide == {}


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_somebody_wrote_to_be_run_is_shown_as_text(world: ConsoleWorld, browser: Any, name: str) -> None:
    async with engineer(browser, world) as kim:
        await kim.goto(PAGES[name])
        assert EVIL[:40] in await kim.page.locator("body").inner_text()
        assert await kim.page.title() != "owned"
        assert await kim.page.locator("main script, main img").count() == 0
        assert kim.wrong == []


async def test_the_page_of_a_ticket_asks_the_desk(world: ConsoleWorld, browser: Any) -> None:
    async with engineer(browser, world) as kim:
        await kim.goto(PAGES["ticket"])
        words = await kim.page.locator("main").inner_text()
    assert "the desk has it" in words and "Not known" not in words


async def test_every_page_works_without_script(world: ConsoleWorld, browser: Any) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(world.url + "/lag")
    await page.get_by_label("Your operator token").fill(world.engineer)
    await page.get_by_role("button", name="Log in").click()
    assert await page.get_by_role("heading", name="Lag", exact=True).is_visible()
    assert await page.locator("#lag-table tbody tr").count() == 4
    assert await page.locator("svg.chart path").count() == 4
    await context.close()


async def test_the_lag_chart_is_drawn_anew_without_a_reload(world: ConsoleWorld, browser: Any) -> None:
    async with engineer(browser, world) as kim:
        await kim.goto("/lag")
        row = kim.page.locator("#lag-table tbody tr", has_text="deliver")
        before = await row.inner_text()
        world.lag["stages"]["deliver"]["tenants"][ACME]["lag"] += 12_345
        await kim.page.wait_for_function(
            "text => [...document.querySelectorAll('#lag-table tr')].find(r => r.innerText.includes('deliver')).innerText !== text",
            arg=before,
            timeout=20_000,
        )
        world.lag["stages"]["deliver"]["tenants"][ACME]["lag"] -= 12_345
        assert kim.wrong == []


async def _picture(page: Any, name: str, scheme: str) -> None:
    if not PICTURES:
        return
    folder = Path(PICTURES)
    if scheme == "light" and name in IN_THE_HANDBOOK:
        file = folder / f"console-{name}.png"
        await page.screenshot(path=file)
        assert file.stat().st_size <= MOST_BYTES, f"{file} is too large"
    (folder / "all").mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=folder / "all" / f"{name}-{scheme}.png", full_page=True)
