"""The transport against servers that go beyond what a desk does: redirects, floods, internal addresses, bad certificates."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from infra.runtime.telemetry import tracing
from infra.runtime.telemetry.fakes import kept_spans
from schemas.reasons import Reason
from sinks.servicedesk.addresses import AddressPolicy, CheckedResolver, ForbiddenAddress
from sinks.servicedesk.transport import MAX_ANSWER_BYTES, Answered, HttpCall, Times, Transport
from sinks.servicedesk.types import Refused, Unknown
from tests.contract.sinks.servicedesk.one_handler import OneHandler


def post(url: str) -> HttpCall:
    return HttpCall("POST", url, "/x", {}, form={"input_data": "{}"})


async def test_a_redirect_is_not_followed(server: OneHandler, transport: Transport) -> None:
    async def elsewhere(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"{server.url}/elsewhere")

    server.handler = elsewhere
    answer = await transport.exchange(post(server.url))
    assert isinstance(answer, Answered)
    assert answer.status == 302
    assert len(server.seen) == 1


@pytest.mark.parametrize(("status", "error"), [(200, ""), (503, "503")])
async def test_a_call_is_a_span_without_query_form_and_headers(
    server: OneHandler, transport: Transport, status: int, error: str
) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="{}")

    server.handler = answer
    path, secret = "/api/v3/requests/80001/notes/7", "canary-0123456789"
    call = HttpCall("GET", server.url, path, {"authtoken": secret}, query={"input_data": secret}, form={"x": secret})
    with kept_spans() as spans, tracing.entry("process", tracing.Kind.CONSUMER):
        await transport.exchange(call)
        span = spans.named("GET /api/v3/requests/{id}/notes/{id}")
    assert span.attributes == {
        "http.request.method": "GET", "url.full": server.url + path, "url.template": "/api/v3/requests/{id}/notes/{id}",
        "server.address": "127.0.0.1", "server.port": int(server.url.rpartition(":")[2]),
        "http.response.status_code": status,
    }  # fmt: skip
    assert (span.kind, span.error) == (tracing.Kind.CLIENT, error)
    assert dict(server.seen[0].headers).keys().isdisjoint({"traceparent", "Traceparent"}), "desks are told no trace"


async def test_a_desk_that_is_away_shows_as_a_failed_span(transport: Transport) -> None:
    with kept_spans() as spans, tracing.entry("process", tracing.Kind.CONSUMER):
        assert isinstance(await transport.exchange(post("http://127.0.0.1:9")), Refused)
        assert spans.named("POST /x").error == "ClientConnectorError"


async def test_what_is_sent_arrives_as_it_is(server: OneHandler, transport: Transport) -> None:
    received: list[tuple[str, dict[str, str]]] = []

    async def keep(request: web.Request) -> web.StreamResponse:
        fields = request.query if request.method == "GET" else await request.post()
        received.append((request.path, {name: str(value) for name, value in fields.items()}))
        return web.Response(text="{}")

    server.handler = keep
    fields = {"input_data": "".join(map(chr, range(128))) + "%41 +&= ;äß€😀<a href='x?y=1&z=2#w'>" * 500, "b": ""}
    await transport.exchange(HttpCall("POST", server.url, "/app/x", {}, form=fields))
    short = {name: value[:300] for name, value in fields.items()}
    await transport.exchange(HttpCall("GET", server.url, "/app/x", {}, query=short))
    assert received == [("/app/x", fields), ("/app/x", short)]
    assert server.seen[0].content_type == "application/x-www-form-urlencoded"


async def test_an_answer_without_end_is_cut_off(server: OneHandler, transport: Transport) -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"x" * 65536)
        return response

    server.handler = flood
    assert await transport.exchange(post(server.url)) == Unknown(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")


async def test_a_small_answer_that_unpacks_to_a_large_one_is_cut_off_too(
    server: OneHandler, transport: Transport
) -> None:
    async def bomb(_: web.Request) -> web.StreamResponse:
        response = web.Response(body=b"\0" * 50_000_000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    server.handler = bomb
    async with Transport(AddressPolicy(local=True), times=Times(connect=5, total=20)) as patient:
        assert isinstance(await patient.exchange(HttpCall("GET", server.url, "/", {})), Unknown)


async def test_a_drip_of_bytes_ends_in_time(server: OneHandler, transport: Transport) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" ")
            await server.pause(0.1)
        return response

    server.handler = drip
    started = asyncio.get_running_loop().time()
    assert isinstance(await transport.exchange(post(server.url)), Unknown)
    assert asyncio.get_running_loop().time() - started < 3


async def test_cookies_of_one_tenant_do_not_reach_the_next(server: OneHandler, transport: Transport) -> None:
    async def cookie(_: web.Request) -> web.StreamResponse:
        response = web.Response(text="{}")
        response.set_cookie("session", "of tenant a")
        return response

    server.handler = cookie
    url = server.url.replace("127.0.0.1", "localhost")  # no client keeps cookies of bare addresses
    assert isinstance(await transport.exchange(post(url)), Answered)
    await transport.exchange(post(url))
    assert "Cookie" not in server.seen[1].headers


async def test_an_internal_address_is_never_spoken_to(server: OneHandler) -> None:
    async with Transport(AddressPolicy(local=False)) as strict:
        for url in (server.url, server.url.replace("http:", "https:"), "https://169.254.169.254/latest"):
            result = await strict.exchange(post(url))
            assert isinstance(result, Refused)
            assert result.reason is Reason.DESK_UNAVAILABLE
    assert server.seen == []


async def test_a_name_that_leads_inside_is_never_spoken_to(server: OneHandler) -> None:
    port = server.url.rsplit(":", 1)[1]
    async with Transport(AddressPolicy(local=False), resolver=Resolver("127.0.0.1")) as strict:
        result = await strict.exchange(post(f"https://desk.example:{port}/"))
    assert isinstance(result, Refused)
    assert "only internal addresses" in result.detail
    assert server.seen == []


async def test_a_name_that_leads_elsewhere_after_it_was_checked_is_never_spoken_to(
    server: OneHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding. The resolver's check is switched off here: what is connected to is looked at once more."""
    monkeypatch.setattr(
        CheckedResolver, "resolve", lambda _, *asked, **more: Resolver("127.0.0.1").resolve(*asked, **more)
    )
    port = server.url.rsplit(":", 1)[1]
    async with Transport(AddressPolicy(local=False)) as strict:
        result = await strict.exchange(post(f"https://desk.example:{port}/"))
    assert isinstance(result, Refused)
    assert "127.0.0.1 is an internal address" in result.detail
    assert server.seen == []


async def test_a_name_that_changes_with_each_answer_is_connected_to_only_where_it_was_checked(
    server: OneHandler,
) -> None:
    """Each connection has its own look: one answer with a public address opens no door for the next one."""
    changing = Changing(["127.0.0.1"], ["10.0.0.1"], ["127.0.0.1"])
    port = server.url.rsplit(":", 1)[1]
    async with Transport(AddressPolicy(local=False), resolver=changing) as strict:
        for _ in range(3):
            result = await strict.exchange(post(f"https://desk.example:{port}/"))
            assert isinstance(result, Refused)
    assert server.seen == []


async def test_headers_without_end_are_cut_off(server: OneHandler, transport: Transport) -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        return web.Response(headers={f"X-{number}": "x" * 4000 for number in range(1000)})

    server.handler = flood
    assert isinstance(await transport.exchange(post(server.url)), Unknown)


async def test_http_where_tls_is_expected_is_not_sent_anything(server: OneHandler, transport: Transport) -> None:
    result = await transport.exchange(post(server.url.replace("http:", "https:")))
    assert isinstance(result, Refused)
    assert server.seen == []


class Resolver(AbstractResolver):
    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self._addresses
        ]

    async def close(self) -> None:
        return None


class Changing(Resolver):
    """Another answer each time."""

    def __init__(self, *answers: list[str]) -> None:
        super().__init__()
        self._answers = iter(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self._addresses = tuple(next(self._answers))
        return await super().resolve(host, port, family)


async def test_only_public_addresses_of_a_name_are_connected_to() -> None:
    resolver = CheckedResolver(AddressPolicy(), Resolver("10.0.0.1", "93.184.216.34", "::1"))
    assert [result["host"] for result in await resolver.resolve("desk.example", 443)] == ["93.184.216.34"]
    with pytest.raises(ForbiddenAddress, match="only internal addresses"):
        await CheckedResolver(AddressPolicy(), Resolver("127.0.0.1")).resolve("desk.example", 443)
