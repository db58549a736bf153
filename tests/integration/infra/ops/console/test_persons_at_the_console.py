"""What a person does at the console: by keyboard alone, within the own tenants, with a reason that is noted down first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.ops.console.visits import CommandResult
from tests.integration.infra.ops.console.browsing import engineer, person
from tests.integration.infra.ops.console.console_world import ACME, EVIL_TICKET, HELD, ConsoleWorld

OTHER = "msp-nordwind"


def replayed(asked: Mapping[str, Any]) -> CommandResult:
    """As `dead-letters replay --json` tells it."""
    do = bool(asked.get("yes"))
    group = {"stage": "deliver", "reason": "note_refused", "count": 1}
    mine = {"selected": 1, "to_replay": 1, "replayed": int(do), "already_replayed": 0, "refused": {}}
    return CommandResult(
        0,
        mine
        | {
            "by_tenant": {ACME: mine | {"by_stage_and_reason": [group]}},
            "dry_run": not do,
            "run_id": "8d4f" if do else None,
        },
        "",
    )


async def test_by_keyboard_alone_somebody_logs_in_finds_a_ticket_and_replays_its_dead_letter(
    world: ConsoleWorld, browser: Any
) -> None:
    world.commands.answers["dead-letters replay"] = replayed
    world.commands.ran.clear()
    async with person(browser, world) as kim:
        await kim.goto("/login")  # the field for the token has the focus
        await kim.page.keyboard.type(world.engineer)
        await kim.page.keyboard.press("Enter")
        await kim.page.wait_for_url(world.url + "/")

        await kim.tab_to("Skip to content")
        await kim.page.keyboard.press("Enter")
        assert await kim.page.evaluate("document.activeElement.id") == "content"

        await kim.page.reload()
        await kim.tab_to("Tenant and ticket")
        await kim.page.keyboard.type(f"{ACME} {EVIL_TICKET}")
        await kim.page.keyboard.press("Enter")
        await kim.page.wait_for_url(f"**/tickets/{EVIL_TICKET}")
        await kim.tab_to("Reason, with the support ticket's number")
        await kim.page.keyboard.type("case 4711")
        await kim.page.keyboard.press("Enter")
        await kim.page.get_by_role("heading", name="What happened").wait_for()
        await kim.tab_to("Its dead letters")
        await kim.page.keyboard.press("Enter")
        await kim.page.wait_for_url("**/letters?*")
        await kim.tab_to("0:0")
        await kim.page.keyboard.press("Enter")
        await kim.page.wait_for_url("**/letters/0:0")
        await kim.found()
        await kim.tab_to("See what a replay would do")
        await kim.page.keyboard.press("Enter")
        await kim.page.get_by_role("heading", name="1 would be replayed").wait_for()
        assert [asked for _, asked, _ in world.commands.ran] == [{"tenant": ACME, "letter": "0:0"}]

        await kim.tab_to("Why, for the audit log")
        await kim.page.keyboard.type("the request is open again, case 4711")
        await kim.page.keyboard.press("Enter")
        await kim.page.get_by_role("heading", name="1 replayed").wait_for()
        assert await kim.violations() == []
    command, asked, who = world.commands.ran[-1]
    assert (command, who) == ("dead-letters replay", "On-call engineer")
    assert asked == {"tenant": ACME, "letter": "0:0", "yes": True, "why": "the request is open again, case 4711"}


async def test_a_look_at_texts_asks_why_and_is_noted_down_for_that_tenant_only(
    world: ConsoleWorld, browser: Any
) -> None:
    async with person(browser, world) as sam:
        await sam.log_in(world.support)
        seen = [entry for entry in await world.audited(ACME) if entry[0] == "Sam <b>Ray</b>"]
        for path in ("tickets/19999", "feedback", "letters/0:1"):
            await sam.goto(f"/tenants/{ACME}/{path}")
            assert await sam.page.get_by_role("heading", name="Why do you look?").is_visible(), path
        assert [one for one in await world.audited(ACME) if one[0] == "Sam <b>Ray</b>"] == seen

        await sam.give_a_reason(ACME, "case 12")
        for path in ("tickets/19999", "letters/0:1"):
            await sam.goto(f"/tenants/{ACME}/{path}")
            assert not await sam.page.get_by_role("heading", name="Why do you look?").count(), path
        noted = [one for one in await world.audited(ACME) if one[0] == "Sam <b>Ray</b>"][:3]
        assert [(operation, reason) for _, operation, _, reason in noted] == [
            ("dead-letters show", "case 12"), ("investigate", "case 12"), ("console feedback", "case 12")
        ]  # fmt: skip
        assert "ticket 19999" in noted[1][2]

        await sam.goto(f"/tenants/{HELD}/feedback")
        assert await sam.page.get_by_role("heading", name="Why do you look?").is_visible()

        await sam.page.get_by_role("button", name="Log out").click()
        await sam.log_in(world.engineer)  # in the same browser
        await sam.goto(f"/tenants/{ACME}/tickets/19999")
        assert await sam.page.get_by_role("heading", name="Why do you look?").is_visible()


async def test_a_person_sees_only_the_own_tenants_and_other_tries_are_noted_down(
    world: ConsoleWorld, browser: Any
) -> None:
    async with person(browser, world) as sam:
        await sam.log_in(world.support)
        for path in ("/", "/lag?by=tenant", "/letters", "/held", "/refusals", "/audit"):
            assert await sam.goto(path) == 200, path
            text = await sam.page.locator("main").inner_text()
            assert OTHER not in text and "msp-harbor-it" not in text, path
        tries = (
            f"/tenants/{OTHER}", f"/tenants/{OTHER}/feedback", f"/tenants/{OTHER}/tickets/1", f"/tenants/{OTHER}/letters/2:0",
            f"/tenants/{OTHER}/disable", f"/letters?tenant={OTHER}", f"/refusals?tenant={OTHER}", f"/audit?tenant={OTHER}",
            f"/lag?tenant={OTHER}", f"/lag.json?tenant={OTHER}", "/tenants/msp-there-is-none",
        )  # fmt: skip
        for path in tries:
            assert await sam.goto(path) == 403, path
            assert "is not among the tenants of Sam" in await sam.page.locator("main").inner_text()
    refused = [one for one in await world.audited(OTHER) if one[1] == "refused"]
    assert len(refused) == len(tries) - 1  # the last is about no tenant that there is


async def test_another_tenants_letter_is_not_shown_under_ones_own(world: ConsoleWorld, browser: Any) -> None:
    async with person(browser, world) as sam:
        await sam.log_in(world.support)
        await sam.give_a_reason(ACME)
        assert await sam.goto(f"/tenants/{ACME}/letters/2:0") == 400
        assert "no such dead letter of this tenant" in await sam.page.locator("main").inner_text()


async def test_a_setting_of_engineering_is_refused_to_support_in_the_commands_own_words(
    world: ConsoleWorld, browser: Any
) -> None:
    async with person(browser, world) as sam:
        await sam.log_in(world.support)
        await sam.goto(f"/tenants/{ACME}/set?name=max_concurrent_jobs")
        await sam.page.locator("#value").fill("9")
        await sam.page.get_by_label("Reason, with the support ticket's number").fill("case 3")
        await sam.page.get_by_role("button", name="Change it").click()
        alert = sam.page.get_by_role("alert")
        await alert.wait_for()
        assert "is for engineers" in await alert.inner_text()


async def test_an_engineer_changes_a_setting_with_a_reason_that_the_audit_log_has(
    world: ConsoleWorld, browser: Any
) -> None:
    async with engineer(browser, world) as kim:
        await kim.goto(f"/tenants/{ACME}")
        await kim.page.get_by_role("link", name="Change max_concurrent_jobs").click()
        await kim.page.locator("#value").fill("8")
        await kim.page.get_by_label("Reason, with the support ticket's number").fill("peak, case 99")
        await kim.page.get_by_role("button", name="Change it").click()
        await kim.page.get_by_role("status").filter(has_text="Done.").wait_for()
        await kim.goto(f"/audit?tenant={ACME}&operation=tenant+set&text=case+99")
        row = await kim.page.locator("tbody tr").first.inner_text()
        assert "max_concurrent_jobs" in row and "5 → 8" in row and "peak, case 99" in row


async def test_a_new_secret_is_shown_once_on_the_page_that_made_it(world: ConsoleWorld, browser: Any) -> None:
    async with engineer(browser, world) as kim:
        await kim.goto(f"/tenants/{HELD}/rotate-secret")
        await kim.page.get_by_label("Reason, with the support ticket's number").fill("due, case 5")
        await kim.page.get_by_role("button", name="Make a new secret").click()
        await kim.page.get_by_role("status").filter(has_text="Done.").wait_for(timeout=60_000)
        assert "whsec_" in await kim.page.locator("main").inner_text()
        assert await kim.violations() == []
        await kim.goto(f"/tenants/{HELD}")
        assert "whsec_" not in await kim.page.content()
