"""Fresh tenants, made two dozen at a time: a new tenant is known everywhere within seconds, and that wait is paid once."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from uuid import uuid4

from infra.ops.cli.imports.history import SolvedTicket
from infra.ops.cli.imports.inventory import Device
from infra.ops.cli.imports.knowledge import Article
from infra.ops.cli.imports.store import DataStore
from infra.ops.cli.tenancy import create_tenant
from infra.ops.local.servicedesk_simulator import DeskSettings
from sinks.postgres.tenant_directory import POLL_SECONDS
from sinks.postgres.tenants import Change, NewTenant
from tests.integration.chain.polling import until
from tests.integration.chain.running_chain import RunningChain
from tests.integration.chain.tenant import REQUESTER, Tenant

AT_ONCE = 24
WHO = "integration tests"
STAGES_FOLLOW = POLL_SECONDS + 0.5
"""Seconds after which every stage has looked for new tenants. No stage tells whom it knows, and who is unknown is held for 5 s."""

ARTICLE = Article(
    "KB-2001",
    "DHCP scope full, clients fall back to 169.254.x.x",
    "**Symptom.** New tablets connect but show an address starting with 169.254.\n\n**Causes.** Private phones hold eight-day "
    "leases on a small scope.\n\n**Steps**\n\n1. Run `Get-DhcpServerv4ScopeStatistics` and note the scope with `PercentageInUse` "
    "above 95.\n2. Remove conflict entries with `Remove-DhcpServerv4Lease -ScopeId 10.74.16.0 -BadLeases`.\n3. Shorten the "
    "leases of guests.\n\n**Check.** `ipconfig /renew` gives an address within five seconds.",
    "Network",
    ("dhcp", "169.254", "scope"),
    link="https://kb.example.com/KB-2001",
)
OTHER_ARTICLE = Article(
    "KB-2002",
    "Label printer skips every second label",
    "**Symptom.** The printer skips labels, its sensor blinks red.\n\n**Steps**\n\n1. Calibrate the media sensor.\n2. Print again.",
)
DEVICES = (
    Device("NS-1", "school-net", "10.74.16.0/24", "subnet", "School", "Northern Schools", "class rooms"),
    Device("NS-2", "school-pc20", "10.74.16.20", "pc", "School", "Northern Schools", "teacher's PC"),
)
HISTORY = (
    SolvedTicket(
        "60001", "Tablets without network, DHCP scope exhausted", "All tablets show an address with 169.254.",
        "Leases of private phones removed, lease time cut to eight hours.", REQUESTER["id"], REQUESTER["name"],
        REQUESTER["email_id"], "School", "Northern Schools", "Network", "High", "Closed", None, None,
    ),
    SolvedTicket(
        "60002", "Projector lamp is dark", "The lamp of the projector is worn out.", "Lamp exchanged.", None, None, None,
        "School", "Northern Schools", "Hardware", "Low", "Closed", None, None,
    ),
)  # fmt: skip


class TenantShelf:
    """`take` gives a tenant that nobody had: with a desk, articles, devices and solved tickets."""

    def __init__(self, chain: RunningChain) -> None:
        self._chain = chain
        self._fresh: dict[str, list[Tenant]] = {"onprem": [], "cloud": []}

    async def take(self, form: str = "onprem") -> Tenant:
        if not self._fresh[form]:
            await self._stock()
        return self._fresh[form].pop()

    async def _stock(self) -> None:
        forms = ["cloud", *["onprem"] * (AT_ONCE - 1)]
        made = [(form, await self._make(form)) for form in forms]
        known_at = time.monotonic() + STAGES_FOLLOW
        last = made[-1][1]

        async def edge_knows() -> bool:
            return (await last.send(b"{}")).status == 422

        await until(edge_knows, "the edge knows the new tenants")
        await until(lambda: time.monotonic() >= known_at, "the stages have looked for new tenants")
        for form, tenant in made:
            self._fresh[form].append(tenant)

    async def _make(self, form: str) -> Tenant:
        chain, tenant_id = self._chain, f"msp-{uuid4().hex[:10]}"
        settings, credential = desk_of(tenant_id, form, chain)
        base = await chain.desks.put_desk(tenant_id, settings)
        new = NewTenant(tenant_id, base, credential, form)
        created = await create_tenant(chain.surroundings(), chain.pool, new, Change(WHO))
        data = DataStore(chain.pool, tenant_id, WHO)
        await data.articles([ARTICLE, OTHER_ARTICLE])
        await data.devices(DEVICES)
        await data.solved_tickets(HISTORY)
        return Tenant(chain, tenant_id, created.settings.partition, created.secret.whsec)


def desk_of(tenant_id: str, form: str, chain: RunningChain) -> tuple[DeskSettings, str]:
    """A desk of its own, and the credential that opens it."""
    if form == "onprem":
        key = f"authtoken-of-{tenant_id}"
        return DeskSettings(kind="onprem", key=key), key
    client: Mapping[str, str] = {
        "client_id": f"client-of-{tenant_id}",
        "client_secret": f"secret-of-{tenant_id}",
        "refresh_token": f"refresh-of-{tenant_id}",
    }
    return DeskSettings(kind="cloud", **client), json.dumps({**client, "accounts_url": chain.desks.url})
