"""TLS to desks: always verified, by the public authorities or by the tenant's own, which vouches for no other tenant's desk."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import hashes

from sinks.certificates import MAX_CONTEXTS, BadCertificates, TrustedBy, read_certificates
from sinks.servicedesk.addresses import AddressPolicy
from sinks.servicedesk.client import DeskClient, Operation
from sinks.servicedesk.transport import Answered, HttpCall, Times, Transport
from sinks.servicedesk.types import DeskAccount, DeskForm, Refused
from tests.contract.sinks.servicedesk.authority import NOW, authority
from tests.contract.sinks.servicedesk.conftest import Accounts

OURS, OTHERS = authority("Acme's own CA"), authority("Globex' own CA")


class Server:
    """A desk behind TLS."""

    def __init__(self) -> None:
        self.seen = 0
        self.url = ""
        self.runner: web.ServerRunner | None = None

    async def start(self, context: ssl.SSLContext) -> None:
        async def answer(_: web.BaseRequest) -> web.Response:
            self.seen += 1
            return web.Response(text="{}")

        self.runner = web.ServerRunner(web.Server(answer))
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0, ssl_context=context).start()
        self.url = f"https://127.0.0.1:{self.runner.addresses[0][1]}"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    yield server
    assert server.runner
    await server.runner.cleanup()


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    async with Transport(AddressPolicy(local=True), times=Times(connect=2, total=5)) as transport:
        yield transport


def call(server: Server, ca: str = "") -> HttpCall:
    return HttpCall("GET", server.url, "/x", {"authtoken": "a secret"}, ca=ca)


async def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_sent(
    server: Server, transport: Transport, tmp_path: Path
) -> None:
    await server.start(OURS.signed("127.0.0.1", tmp_path))

    refused = await transport.exchange(call(server))

    assert isinstance(refused, Refused)
    assert "certificate" in refused.detail
    assert server.seen == 0


async def test_a_tenants_authority_vouches_for_its_desk_and_for_no_other_tenants(
    server: Server, transport: Transport, tmp_path: Path
) -> None:
    """On one transport with connections that are kept open, as in a process."""
    await server.start(OURS.signed("127.0.0.1", tmp_path))

    assert isinstance(await transport.exchange(call(server, OURS.pem)), Answered)
    for ca in ("", OTHERS.pem):
        assert isinstance(await transport.exchange(call(server, ca)), Refused), "a kept connection isn't lent"
    assert isinstance(await transport.exchange(call(server, OURS.pem + OTHERS.pem)), Answered)
    assert server.seen == 2


async def test_a_desk_is_called_with_the_authority_of_its_account(
    server: Server, transport: Transport, tmp_path: Path
) -> None:
    await server.start(OURS.signed("127.0.0.1", tmp_path))
    client = DeskClient(transport, Accounts(None))

    for ca, called in (("", 0), (OURS.pem, 1)):
        account = DeskAccount("acme", server.url, DeskForm.ONPREM, "key", ca)
        assert isinstance(await client.read(account, Operation("GET", "/requests")), Refused)
        assert server.seen == called


@pytest.mark.parametrize(("name", "ends"), [("desk.example", None), ("127.0.0.1", NOW - timedelta(days=1))])
async def test_a_certificate_of_another_name_or_time_is_refused(
    server: Server, transport: Transport, tmp_path: Path, name: str, ends: datetime | None
) -> None:
    await server.start(OURS.signed(name, tmp_path, ends=ends))

    assert isinstance(await transport.exchange(call(server, OURS.pem)), Refused)
    assert server.seen == 0


async def test_what_is_no_certificate_is_refused_with_the_settings_name(
    server: Server, transport: Transport, tmp_path: Path
) -> None:
    await server.start(OURS.signed("127.0.0.1", tmp_path))

    refused = await transport.exchange(call(server, "no certificate"))

    assert isinstance(refused, Refused)
    assert refused.detail.startswith("servicedesk_ca: ")
    assert server.seen == 0


def test_contexts_are_kept_for_the_certificates_used_last() -> None:
    trusted = TrustedBy()
    first = trusted.context(OURS.pem)
    assert trusted.context(OURS.pem) is first
    for number in range(MAX_CONTEXTS):
        trusted.context(OTHERS.pem + "\n" * number)
    assert trusted.context(OURS.pem) is not first


def test_certificates_are_told_by_name_fingerprint_and_end_and_kept_alone() -> None:
    read = read_certificates(f"Subject: somebody\n{OURS.pem}\nand\n{OTHERS.pem}", now=NOW)

    assert read.subjects == ("CN=Acme's own CA", "CN=Globex' own CA")
    assert read.pem == OURS.pem + OTHERS.pem
    assert read.ends == min(OURS.certificate.not_valid_after_utc, OTHERS.certificate.not_valid_after_utc)
    assert OURS.certificate.fingerprint(hashes.SHA256()).hex()[:16] in str(read)
    assert f"until {read.ends:%Y-%m-%d}" in str(read)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds no certificate"),
        ("hello", "holds no certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "can't be read"),
        ("-----BEGIN CERTIFICATE-----\n\u00e4", "can't be read"),
        (OURS.pem + "-----BEGIN PRIVATE KEY-----", "holds a private key"),
        (OURS.pem * 17, "holds 17 certificates"),
        (OURS.pem + " " * 33_000, "more than 32768"),
        (authority("old", ends=NOW - timedelta(days=1)).pem, "ended on"),
    ],
)
def test_what_can_not_vouch_for_a_desk_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadCertificates, match=why):
        read_certificates(text, now=NOW)
