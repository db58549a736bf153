"""Calls to desks as Prometheus sees them: whose, what for, and what came."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from sinks.servicedesk.addresses import AddressPolicy
from sinks.servicedesk.client import DeskClient, Operation
from sinks.servicedesk.metrics import operation_of
from sinks.servicedesk.transport import Transport
from sinks.servicedesk.types import DeskAccount, DeskForm
from tests.contract.sinks.servicedesk.conftest import Accounts
from tests.contract.sinks.servicedesk.one_handler import OneHandler

TENANT = "msp-counted-calls"


def account(url: str) -> DeskAccount:
    return DeskAccount(TENANT, url, DeskForm.ONPREM, "key")


def calls(operation: str, status: str) -> float:
    labels = {"tenant_id": TENANT, "operation": operation, "status": status}
    return REGISTRY.get_sample_value("ticketstream_desk_requests_total", labels) or 0.0


def timed(operation: str) -> float:
    return REGISTRY.get_sample_value("ticketstream_desk_request_seconds_count", {"operation": operation}) or 0.0


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", "/requests", "list_requests"),
        ("GET", "/requests/12345", "get_request"),
        ("GET", "/requests/12345/notes", "list_notes"),
        ("POST", "/requests/12345/notes", "add_note"),
        ("GET", "/requests/12345/notes/7", "get_note"),
        ("POST", "/requests", "other"),
        ("GET", "/a/b/c/d/e", "other"),
    ],
)
def test_an_operation_is_named_without_its_ids(method: str, path: str, operation: str) -> None:
    assert operation_of(method, path) == operation


@pytest.mark.parametrize(
    ("status", "label"), [(200, "2xx"), (201, "2xx"), (302, "3xx"), (404, "4xx"), (429, "429"), (503, "5xx")]
)
async def test_an_answer_counts_by_its_class(server: OneHandler, transport: Transport, status: int, label: str) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="{}")

    server.handler = answer
    before, took = calls("get_request", label), timed("get_request")
    await DeskClient(transport, Accounts(None)).read(account(server.url), Operation("GET", "/requests/12345"))
    assert (calls("get_request", label) - before, timed("get_request") - took) == (1, 1)


async def test_what_got_no_answer_counts_by_why(server: OneHandler, transport: Transport) -> None:
    async def breaks_off(request: web.Request) -> web.StreamResponse:
        assert request.transport
        request.transport.close()
        return web.Response()

    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(5)
        return web.Response()

    client = DeskClient(transport, Accounts(None))
    operation = Operation("POST", "/requests/12345/notes", {})
    for handler in (breaks_off, silent):
        server.handler = handler
        await client.write(account(server.url), operation)
    await client.write(account("http://127.0.0.1:9"), operation)
    async with Transport(AddressPolicy(local=False)) as strict:
        await DeskClient(strict, Accounts(None)).write(account(server.url), operation)

    found = {status: calls("add_note", status) for status in ("broken_off", "timeout", "unreachable", "forbidden")}
    assert found == {"broken_off": 1, "timeout": 1, "unreachable": 1, "forbidden": 1}
