"""The real client against what desks, proxies and networks really do."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Literal

import pytest

from infra.ops.local.servicedesk_simulator import DeskFault, DeskSettings, Quirks, Simulator
from schemas.reasons import Reason
from sinks.servicedesk.notes import ServiceDeskNotes
from sinks.servicedesk.tickets import check_access
from sinks.servicedesk.transport import Times
from sinks.servicedesk.types import Gone, Note, Posted, Refused, TicketRef, TicketView, Unknown
from tests.contract.sinks.servicedesk.conftest import DESK, Real, account_of

MARKER = "0123456789abcdef01234567"
NOTE = Note(f"<p>Restart the spooler</p><small>ticketstream:{MARKER}</small>", MARKER)
Broken = Literal["error", "reset", "hang", "garbage", "login_page"]
BROKEN: tuple[Broken, ...] = ("error", "reset", "hang", "garbage", "login_page")


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_broken_post_ends_unknown_and_is_mended_by_looking(real: Real, kind: Broken, when: Any) -> None:
    ticket = real.ticket()
    await real.notes.find(ticket, MARKER)  # the access token is there
    real.fault(DeskFault(kind=kind, when=when, operation="add_note", calls=1, status=502))
    assert isinstance(await real.notes.post(ticket, NOTE, first_try=True), Unknown)
    assert len(real.written(ticket)) == (1 if when == "after" else 0)
    assert isinstance(await real.notes.post(ticket, NOTE), Posted)
    assert real.written(ticket) == [NOTE.html]


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_broken_read_is_an_unavailable_desk(real: Real, kind: Broken) -> None:
    ticket = real.ticket()
    real.fault(DeskFault(kind=kind, operation="get_request", calls=2))
    refused = await real.tickets.get(ticket)
    if kind == "reset":  # a GET on a connection that was kept open is tried once more by the HTTP client itself
        assert isinstance(refused, Refused | TicketView)
        return
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.DESK_UNAVAILABLE


async def test_a_desk_that_takes_no_connections_has_surely_written_nothing(real: Real) -> None:
    ticket = real.ticket()
    await real.notes.find(ticket, MARKER)  # the access token is there
    await real.simulator.stop()
    await asyncio.sleep(0)
    result = await real.notes.post(ticket, NOTE, first_try=True)
    while isinstance(result, Unknown):  # a kept connection that died under the call tells nothing
        result = await real.notes.post(ticket, NOTE, first_try=True)
    assert isinstance(result, Refused)
    assert result.reason is Reason.DESK_UNAVAILABLE


async def test_a_rate_limit_without_a_wish_waits_a_minute(real: Real) -> None:
    ticket = real.ticket()
    real.fault(DeskFault(kind="rate_limit", operation="add_note", calls=1))
    refused = await real.notes.post(ticket, NOTE, first_try=True)
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.retry_after) == (Reason.DESK_RATE_LIMITED, 60.0)


async def test_a_refused_key_is_named_and_writes_nothing(real: Real) -> None:
    ticket = real.ticket()
    real.accounts.account = account_of(real.simulator.url, real.kind, key="wrong", refresh_token="wrong")
    refused = await real.notes.post(ticket, NOTE, first_try=True)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.DESK_CREDENTIAL_REFUSED
    assert "wrong" not in refused.detail
    assert real.written(ticket) == []
    assert await check_access(real.client, account_of(real.simulator.url, real.kind)) is None
    assert await check_access(real.client, real.accounts.account) is not None


async def test_a_tenant_without_a_credential_is_told_the_cure(real: Real) -> None:
    refused = await real.tickets.get(TicketRef("nobody", "1"))
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.DESK_CREDENTIAL_REFUSED
    assert "ticketstream tenant replace-credential nobody" in refused.detail


@pytest.mark.parametrize("credential", ["", "{}", "not json", "key\r\nX-Evil: 1", '{"client_id": 1}'])
async def test_a_credential_of_the_wrong_form_is_refused_before_anything_is_sent(real: Real, credential: str) -> None:
    ticket = real.ticket()
    assert real.accounts.account
    real.accounts.account = replace(real.accounts.account, credential=credential)
    refused = await real.notes.post(ticket, NOTE, first_try=True)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.DESK_CREDENTIAL_REFUSED
    assert real.written(ticket) == []


async def test_a_wrong_url_is_not_taken_for_a_deleted_ticket(real: Real) -> None:
    ticket = real.ticket()
    assert real.accounts.account
    real.accounts.account = replace(real.accounts.account, base_url=f"{real.simulator.url}/app/elsewhere")
    for result in (await real.tickets.get(ticket), await real.notes.post(ticket, NOTE)):
        assert isinstance(result, Refused)
        assert result.reason is Reason.DESK_UNAVAILABLE
        assert "servicedesk_base_url" in result.detail


async def test_the_base_url_may_come_with_a_slash_or_the_api_path(real: Real) -> None:
    ticket = real.ticket()
    account = real.accounts.account
    assert account
    for ending in ("/", "/api/v3", "/api/v3/"):
        real.accounts.account = replace(account, base_url=account.base_url + ending)
        assert isinstance(await real.tickets.get(ticket), TicketView)


@pytest.mark.parametrize("ticket_id", ["..", "../../x", "1/notes", "1?x", "", "a" * 65, "."])
async def test_an_id_that_leads_elsewhere_is_refused_before_anything_is_sent(real: Real, ticket_id: str) -> None:
    for result in (
        await real.tickets.get(TicketRef(DESK, ticket_id)),
        await real.notes.post(TicketRef(DESK, ticket_id), NOTE),
    ):
        assert isinstance(result, Refused)
        assert result.reason is Reason.DESK_REFUSED
    assert real.simulator.ledger.as_json(DESK)["calls"] == []


async def test_what_the_desk_rejects_is_refused_for_good(real: Real) -> None:
    refused = await real.notes.post(real.ticket(), Note("   ", MARKER), first_try=True)
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.code) == (Reason.DESK_REFUSED, 4012)


async def test_a_note_is_never_shown_to_the_requester(real: Real) -> None:
    await real.notes.post(real.ticket(), NOTE, first_try=True)
    assert [note.show_to_requester for note in real.simulator.state.written] == [False]


async def test_the_first_try_does_not_read_notes(real: Real) -> None:
    await real.notes.post(real.ticket(), NOTE, first_try=True)
    assert real.calls("list_notes") == 0


async def test_a_desk_that_lists_notes_whole_is_not_asked_for_each(real: Real) -> None:
    ticket = real.ticket()
    await real.notes.post(ticket, NOTE, first_try=True)
    assert isinstance(await real.notes.find(ticket, MARKER), Posted)
    assert real.calls("get_note") == 0


async def test_a_marker_on_the_third_page_of_notes_is_found(real: Real) -> None:
    ticket = real.ticket()
    for number in range(250):
        note = {"id": str(10_000 + number), "description": f"note {number}", "show_to_requester": False}
        if number == 240:
            note["description"] = NOTE.html
        real.simulator.state.commit("note", DESK, request_id=ticket.ticket_id, note=note, at=0.0)
    assert await real.notes.find(ticket, MARKER) == Posted("10240", found=True)
    assert real.calls("list_notes") == 3


async def test_notes_without_text_in_the_list_are_read_newest_first(simulator: Simulator) -> None:
    real = Real(simulator, "onprem", Times(), Quirks(fields_required_ignored=True))
    ticket = real.ticket()
    for number in range(5):
        note = {"id": str(9 + number), "description": f"{number}", "show_to_requester": False}
        real.simulator.state.commit("note", DESK, request_id=ticket.ticket_id, note=note, at=0.0)
    posted = await real.notes.post(ticket, NOTE, first_try=True)
    assert isinstance(posted, Posted)
    assert await real.notes.find(ticket, MARKER) == Posted(posted.note_id, found=True)
    assert real.calls("get_note") == 1
    await real.transport.close()


async def test_looking_through_notes_that_takes_too_long_writes_nothing(real: Real) -> None:
    ticket = real.ticket()
    real.fault(DeskFault(kind="latency", operation="list_notes", seconds=0.5))
    refused = await ServiceDeskNotes(real.client, look_seconds=0.1).post(ticket, NOTE)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.DESK_UNAVAILABLE
    assert real.written(ticket) == []


async def test_a_status_by_another_name_is_known_by_its_internal_one(real: Real) -> None:
    ticket = real.ticket(status={"name": "Geschlossen", "internal_name": "Closed"})
    assert await real.tickets.get(ticket) == TicketView(ticket.ticket_id, "Geschlossen", closed=True)


async def test_a_ticket_in_the_bin_is_gone(real: Real) -> None:
    assert await real.tickets.get(real.ticket(is_trashed=True)) == Gone()


async def test_an_access_token_is_asked_for_once_for_many_calls_at_once(simulator: Simulator) -> None:
    real = Real(simulator, "cloud", Times())
    tickets = [real.ticket() for _ in range(10)]
    results = await asyncio.gather(*(real.tickets.get(ticket) for ticket in tickets))
    assert all(isinstance(result, TicketView) for result in results)
    assert real.calls("token") == 1
    await real.transport.close()


async def test_a_revoked_access_token_is_renewed_once_and_the_note_written_once(simulator: Simulator) -> None:
    real = Real(simulator, "cloud", Times())
    ticket = real.ticket()
    await real.tickets.get(ticket)
    simulator.tokens.revoke(simulator.state.desks[DESK])
    assert isinstance(await real.notes.post(ticket, NOTE, first_try=True), Posted)
    assert real.calls("token") == 2
    assert len(real.written(ticket)) == 1
    await real.transport.close()


async def test_an_access_token_is_renewed_before_its_end(simulator: Simulator) -> None:
    real = Real(simulator, "cloud", Times())
    ticket = real.ticket()
    await real.tickets.get(ticket)
    real.seconds.now += 3600 - 59
    await real.tickets.get(ticket)
    assert real.calls("token") == 2
    assert real.calls("get_request") == 2
    await real.transport.close()


async def test_a_desk_that_refuses_every_token_does_not_use_up_zohos_allowance(simulator: Simulator) -> None:
    real = Real(simulator, "cloud", Times())
    ticket = real.ticket()
    result = None
    for _ in range(20):
        simulator.tokens.revoke(simulator.state.desks[DESK])
        result = await real.tickets.get(ticket)
    assert isinstance(result, Refused)
    assert result.reason is Reason.DESK_RATE_LIMITED
    assert result.retry_after == pytest.approx(600, abs=1)
    assert real.calls("token") == 8
    await real.transport.close()


async def test_zohos_own_limit_is_a_wait_and_not_a_wrong_key(simulator: Simulator) -> None:
    real = Real(simulator, "cloud", Times())
    ticket = real.ticket()
    form = {
        "grant_type": "refresh_token",
        "client_id": "local-client",
        "client_secret": "local-client-secret",
        "refresh_token": f"refresh-{DESK}",
    }
    for _ in range(10):
        simulator.tokens.issue(form, simulator.state.desks.values())
    refused = await real.tickets.get(ticket)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.DESK_RATE_LIMITED
    await real.transport.close()


@pytest.mark.parametrize("kind", BROKEN)
async def test_trouble_at_the_token_endpoint_is_an_unavailable_desk(simulator: Simulator, kind: Broken) -> None:
    real = Real(simulator, "cloud", Times(connect=1, total=1))
    ticket = real.ticket()
    real.fault(DeskFault(kind=kind, operation="token", calls=1))
    refused = await real.notes.post(ticket, NOTE, first_try=True)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.DESK_UNAVAILABLE
    assert real.written(ticket) == []
    await real.transport.close()


async def test_too_many_bad_keys_become_a_rate_limit(simulator: Simulator) -> None:
    real = Real(simulator, "onprem", Times())
    real.put_desk(DeskSettings(quirks=Quirks(bad_keys_per_minute=1)))
    ticket = real.ticket()
    real.accounts.account = account_of(simulator.url, "onprem", key="wrong")
    reasons = [result.reason for _ in range(2) if isinstance(result := await real.tickets.get(ticket), Refused)]
    assert reasons == [Reason.DESK_CREDENTIAL_REFUSED, Reason.DESK_RATE_LIMITED]
    await real.transport.close()
