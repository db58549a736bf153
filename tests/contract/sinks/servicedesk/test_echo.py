"""Servers that say back what they were sent: nothing secret comes out of a call in the words of its failure."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from sinks.servicedesk.addresses import AddressPolicy
from sinks.servicedesk.authentication import Authentication
from sinks.servicedesk.client import DeskClient, Operation
from sinks.servicedesk.masking import masked
from sinks.servicedesk.transport import Times, Transport
from sinks.servicedesk.types import DeskAccount, DeskForm, Refused, Unknown
from tests.contract.sinks.servicedesk.conftest import Accounts
from tests.contract.sinks.servicedesk.one_handler import OneHandler

SECRET = "kept+to/ourselves=1"


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    async with Transport(AddressPolicy(local=True), times=Times(connect=1, total=2)) as transport:
        yield transport


async def echo(request: web.Request) -> web.StreamResponse:
    """Headers and body in the desk's own words for an error."""
    said = f"{dict(request.headers)} {(await request.read()).decode()}"[-250:]
    status = {"status_code": 4012, "messages": [{"message": said}], "status": "failed"}
    return web.json_response({"response_status": status, "error": said[-100:], "error_description": said}, status=400)


async def broken(request: web.Request) -> web.StreamResponse:
    """Bytes that are no HTTP, which the client's error quotes."""
    assert request.transport
    request.transport.write(f"HTTP/1.1 {request.headers.get('authtoken')} x\r\n\r\n".encode())
    return web.Response()


@pytest.mark.parametrize("handler", [echo, broken])
async def test_a_desk_that_says_our_key_back_is_not_quoted(
    server: OneHandler, transport: Transport, handler: web.RequestHandler
) -> None:
    server.handler = handler  # type: ignore[assignment]
    account = DeskAccount("acme", server.url, DeskForm.ONPREM, SECRET)
    for method in ("GET", "POST"):
        result = await DeskClient(transport, Accounts(None)).write(account, Operation(method, "/requests", {}))
        assert isinstance(result, Refused | Unknown)
        assert SECRET not in str(result)
    assert "***" in str(result)


async def test_an_accounts_server_that_says_the_client_back_is_not_quoted(
    server: OneHandler, transport: Transport
) -> None:
    server.handler = echo
    client = {
        "client_id": "client",
        "client_secret": f"{SECRET}-2",
        "refresh_token": SECRET,
        "accounts_url": server.url,
    }
    account = DeskAccount("acme", server.url, DeskForm.CLOUD, json.dumps(client))
    refused = await Authentication(transport).headers(account)
    assert isinstance(refused, Refused)
    assert "kept" not in refused.detail and "***" in refused.detail


def test_a_secret_is_masked_in_each_form_that_a_server_may_quote() -> None:
    text = "kept+to/ourselves=1 kept%2Bto%2Fourselves%3D1 kept+to\\/ourselves=1 a"
    assert masked(text, (SECRET, "a")) == "*** *** *** a"


async def test_a_secret_at_the_place_where_a_text_is_cut_leaves_no_part(
    server: OneHandler, transport: Transport
) -> None:
    async def long(request: web.Request) -> web.StreamResponse:
        said = "x" * 290 + str(request.headers.get("authtoken"))
        return web.json_response(
            {"response_status": {"status_code": 4012, "messages": [{"message": said}], "status": "failed"}}
        )

    server.handler = long
    account = DeskAccount("acme", server.url, DeskForm.ONPREM, SECRET)
    result = await DeskClient(transport, Accounts(None)).write(account, Operation("GET", "/requests"))
    assert isinstance(result, Refused)
    assert "kept" not in result.detail
