"""HTTP to a desk, within bounds, telling apart what matters for writing: nothing was sent, or the desk may have acted."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from schemas.reasons import Reason
from sinks.certificates import BadCertificates, TrustedBy
from sinks.servicedesk import metrics
from sinks.servicedesk.addresses import AddressPolicy, BadDeskUrl, CheckedResolver, ForbiddenAddress
from sinks.servicedesk.call_span import answered, call_span
from sinks.servicedesk.masking import masked, masked_bytes
from sinks.servicedesk.types import Refused, Unknown

MAX_ANSWER_BYTES = 2 * 1024 * 1024
MAX_CONNECTIONS = 256
CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds. `total` covers a whole call, from waiting for a connection to the last byte of the answer."""

    connect: float = 5.0
    total: float = 20.0


@dataclass(frozen=True, slots=True)
class HttpCall:
    """`base` is a URL that the address policy lets pass, and `path`, which begins with a slash, is put behind it as it is; `form`
    is sent form-encoded. `ca` holds the PEM certificates that vouch for this server, in place of the public ones;
    `secrets` are what is sent and must not be quoted, if the server says it back. `tenant_id` and `operation` say in metrics
    and traces whose call it is and what for."""

    method: str
    base: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    ca: str = field(default="", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    tenant_id: str = ""
    operation: str = metrics.OTHER


@dataclass(frozen=True, slots=True)
class Answered:
    """A whole answer. `retry_after` is the header's text."""

    status: int
    body: bytes = field(repr=False)
    content_type: str = ""
    retry_after: str | None = None


_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Transport:
    """One pool of connections for all desks of a process. Redirects are never followed, certificates always verified.

    Use as `async with`, or call `close` at the end.
    """

    def __init__(
        self, policy: AddressPolicy, *, times: Times | None = None, resolver: AbstractResolver | None = None
    ) -> None:
        self.policy = policy
        self._times = times or Times()
        self._resolver = resolver
        self._trusted = TrustedBy()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Transport:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections. Safe to call twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def exchange(self, call: HttpCall) -> Answered | Refused | Unknown:
        """Send a call. `Refused(DESK_UNAVAILABLE)` if nothing was sent, `Unknown` if it was and no whole answer came."""
        began = time.monotonic()
        result, status = await self._exchange(call)
        metrics.count_call(call.tenant_id, call.operation, status, time.monotonic() - began)
        return result

    async def _exchange(self, call: HttpCall) -> tuple[Answered | Refused | Unknown, str]:
        """The result, and what it is in the metrics."""
        try:
            url = self.policy.check_url(call.base) + call.path
            trusting = self._trusted.context(call.ca) if call.ca else True
        except BadDeskUrl as error:
            return Refused(Reason.DESK_UNAVAILABLE, f"servicedesk_base_url: {error}"), metrics.FORBIDDEN
        except BadCertificates as error:
            return Refused(Reason.DESK_UNAVAILABLE, f"servicedesk_ca: {error}"), metrics.TLS
        progress = SimpleNamespace(sent=False)
        try:
            answer = await self._traced(call, url, trusting, progress)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            status = metrics.failed_as(error, sent=progress.sent)
            if progress.sent:
                detail = f"{call.method} was sent, but no whole answer came: {_named(error, call.secrets)}"
                return Unknown(detail), status
            return Refused(Reason.DESK_UNAVAILABLE, _not_sent(error)), status
        return answer, metrics.BROKEN_OFF if isinstance(answer, Unknown) else metrics.answered_as(answer.status)

    async def _traced(
        self, call: HttpCall, url: str, trusting: ssl.SSLContext | bool, progress: SimpleNamespace
    ) -> Answered | Unknown:
        with call_span(call.method, url, call.path) as span:
            answer = await self._send(call, url, trusting, progress)
            if isinstance(answer, Answered):
                answered(span, answer.status)
            else:
                span.fail("answer_too_large")
            return answer

    async def _send(
        self, call: HttpCall, url: str, trusting: ssl.SSLContext | bool, progress: SimpleNamespace
    ) -> Answered | Unknown:
        form = {} if call.form is None else _FORM
        async with self._opened().request(
            call.method,
            URL(f"{url}?{_encoded(call.query)}" if call.query else url, encoded=True),
            headers={**call.headers, **form},
            data=None if call.form is None else _encoded(call.form).encode(),
            allow_redirects=False,
            ssl=trusting,
            trace_request_ctx=progress,
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    response.close()
                    return Unknown(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
            received = masked_bytes(bytes(body), call.secrets)
            content_type = masked(response.content_type, call.secrets)
            return Answered(response.status, received, content_type, response.headers.get("Retry-After"))

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(
                total=self._times.total, connect=2 * self._times.connect, sock_connect=self._times.connect
            )
            connector = aiohttp.TCPConnector(
                resolver=CheckedResolver(self.policy, self._resolver),
                socket_factory=self._socket,
                limit=MAX_CONNECTIONS,
            )
            # A cookie jar would carry one tenant's session over to another tenant of the same host.
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                trace_configs=[_noting_what_was_sent()],
                auto_decompress=True,
            )
        return self._session

    def _socket(self, to: aiohttp.AddrInfoType) -> socket.socket:
        """The last look at an address, right before it is connected to, however it came to be one. Raises ForbiddenAddress."""
        family, kind, protocol, _, address = to
        if not self.policy.allows(str(address[0])):
            raise ForbiddenAddress(f"{address[0]} is an internal address")
        made = socket.socket(family=family, type=kind, proto=protocol)
        made.setblocking(False)
        return made


def _encoded(fields: Mapping[str, str]) -> str:
    """As in a query and in a form. By yarl, in a tenth of the time that urllib takes for a note."""
    return URL.build(query=dict(fields)).raw_query_string


def _noting_what_was_sent() -> aiohttp.TraceConfig:
    async def sent(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: Any) -> None:
        context.trace_request_ctx.sent = True

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(sent)
    return trace


def _not_sent(error: BaseException) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, ForbiddenAddress):
        return f"servicedesk_base_url: {cause}. Give an address that is reachable from the internet"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the desk's name can't be resolved: {_named(cause)}"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return f"the desk's certificate or TLS set-up is not accepted: {_named(error)}"
    return f"the desk can't be reached: {_named(cause)}"


def _named(error: BaseException, secrets: Iterable[str] = ()) -> str:
    text = masked(str(error), secrets)[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
