"""A person at the console in a real browser: by mouse, and by keyboard alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from tests.integration.infra.ops.console.console_world import ACME, ConsoleWorld

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OF_COLOURS = ["color-contrast", "link-in-text-block"]
"""All that the dark scheme can get wrong."""
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 320, "height": 640}


@dataclass
class Person:
    """`wrong` are errors that the browser told of: of a script, of the content security policy, of what couldn't be loaded."""

    page: Any
    url: str
    wrong: list[str] = field(default_factory=list)

    async def goto(self, path: str) -> int:
        """The status of what is shown in the end."""
        await self.page.goto(self.url + path)
        await self.found()
        return int(await self.page.evaluate("() => performance.getEntriesByType('navigation')[0].responseStatus"))

    async def found(self) -> None:
        """A page that is still looking for something comes again by itself."""
        await self.page.wait_for_function("() => !document.querySelector('#looking')", timeout=30_000)

    async def log_in(self, token: str) -> None:
        await self.goto("/login")
        await self.page.get_by_label("Your operator token").fill(token)
        await self.page.get_by_role("button", name="Log in").click()
        await self.page.wait_for_url(self.url + "/")

    async def give_a_reason(self, tenant_id: str, reason: str = "case 4711") -> None:
        """On the form, if it is asked for."""
        await self.goto(f"/tenants/{tenant_id}/feedback")
        if await self.page.get_by_role("heading", name="Why do you look?").count():
            await self.page.get_by_label("Reason, with the support ticket's number").fill(reason)
            await self.page.get_by_role("button", name="Show it").click()

    async def violations(self, rules: list[str] = RULES) -> list[str]:
        """What axe has to say against the page as it is now."""
        await self.page.evaluate(_axe())
        found = await self.page.evaluate(f"axe.run(document, {{runOnly: {rules}}})")
        return [
            f"{one['id']}: {one['help']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
            for one in found["violations"]
            for node in one["nodes"]
        ]

    async def focused(self) -> str:
        """The accessible text of what has the focus."""
        told = await self.page.evaluate(
            "(() => { const e = document.activeElement; return (e.labels && e.labels.length ? e.labels[0].innerText : "
            "e.getAttribute('aria-label') || e.innerText || '').trim() })()"
        )
        return str(told)

    async def tab_to(self, text: str, most: int = 200) -> None:
        """By the Tab key alone. Fails where it isn't reached, or where the focus can't be seen."""
        for _ in range(most):
            await self.page.keyboard.press("Tab")
            if await self.focused() == text:
                seen = await self.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert seen != "none", f"the focus on {text!r} can't be seen"
                return
        raise AssertionError(f"{text!r} isn't reached by Tab")


@asynccontextmanager
async def person(
    browser: Any, world: ConsoleWorld, *, scheme: str = "light", size: Any = None
) -> AsyncIterator[Person]:
    context = await browser.new_context(
        color_scheme=scheme, viewport=size or DESKTOP, locale="en-GB", timezone_id="UTC"
    )
    try:
        page = await context.new_page()
        found = Person(page, world.url)
        page.on("pageerror", lambda error: found.wrong.append(str(error)))
        page.on("console", lambda said: found.wrong.extend([said.text] if said.type == "error" else []))
        yield found
    finally:
        await context.close()


@asynccontextmanager
async def engineer(browser: Any, world: ConsoleWorld, **how: Any) -> AsyncIterator[Person]:
    """Logged in, with a reason for ACME."""
    async with person(browser, world, **how) as found:
        await found.log_in(world.engineer)
        await found.give_a_reason(ACME)
        yield found


@cache
def _axe() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
