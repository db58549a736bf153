"""Every panel of every dashboard has data when the chain works, and only the chosen tenant's when one is chosen."""

from __future__ import annotations

import asyncio
import html
import json
import time
from collections.abc import AsyncIterator

import pytest

from infra.ops.local.free_ports import free_ports
from infra.ops.local.kafka import MissingTool
from infra.ops.local.monitoring import MonitoringPorts, Pace, find_tools
from infra.ops.local.servicedesk_simulator import DeskFault
from infra.ops.local.stack.monitoring import Monitoring
from infra.ops.local.stack.readiness import wait_until_ready
from infra.ops.local.stack.supervisor import Supervisor
from infra.ops.onboarding.edge_checks import in_prometheus
from infra.runtime.kafka.producer import Record
from schemas.events import Writer
from schemas.topics import Stage, Topic
from tests.conftest import missing_tool
from tests.integration.chain.forgery import Forger
from tests.integration.chain.polling import until
from tests.integration.chain.running_chain import PREFIX, RunningChain
from tests.integration.chain.scraped import Prometheus
from tests.integration.chain.shelf import TenantShelf
from tests.integration.chain.tenant import FEEDBACK_LINK, Tenant
from tests.unit.infra.monitoring.test_dashboards import ALL, PAGES

NO_ROUND = "the chain's reconcile has its first round after a day, so that it finds no tickets of tests"
MAY_BE_EMPTY = {
    ("Operations", "Tickets fed in by reconcile", "{{outcome}}"): NO_ROUND,
    ("Operations", "Since the last good round", "reconcile"): NO_ROUND,
}
"""What may have no data, by panel and legend, and why."""
BUSY = 12
"""Tickets at once of a tenant that may have 5 in hand."""


@pytest.fixture(scope="module")
async def prometheus(chain: RunningChain) -> AsyncIterator[Prometheus]:
    """Scrapes every process each second, and works with the rules as they are."""
    try:
        tools = find_tools()
    except MissingTool as error:
        missing_tool(error)
    since = time.time()
    monitoring = Monitoring(
        chain.stack.state_dir, MonitoringPorts(*free_ports(3)), tools, chain.environment, Pace(1, 1, 1)
    )
    monitoring.prepare()
    monitoring.follow(chain.stack.endpoints.internal)
    supervisor = Supervisor(chain.stack.state_dir / "logs")
    await supervisor.start(monitoring.group())
    try:
        await wait_until_ready(supervisor, monitoring.group(), seconds=30)
        yield Prometheus(monitoring.prometheus, chain.session, since)
    finally:
        await supervisor.stop()


@pytest.fixture(scope="module")
async def tenants(chain: RunningChain, shelf: TenantShelf, prometheus: Prometheus) -> AsyncIterator[dict[str, Tenant]]:
    """Tenants that lived through everything that a panel shows, each thing twice, since a rate takes two values."""
    found = {name: await shelf.take() for name in ("content", "modern", "held", "refused", "busy")}
    await found["modern"].command(
        "tenant", "set", "external_model=true", "--agreed-by", "Head of IT", "--reason", "signed order"
    )
    await until(lambda: all_scraped(chain, prometheus, 2), "every process is scraped")
    await asyncio.gather(
        content(found["content"]),
        modern(found["modern"]),
        held(found["held"]),
        refused(found["refused"]),
        busy(found["busy"]),
    )
    yield found
    await found["held"].faulty()
    await found["busy"].faulty()


async def all_scraped(chain: RunningChain, prometheus: Prometheus, times: int) -> bool:
    scraped = await prometheus.scraped()
    return all(scraped.get(name, 0) >= times for name in chain.stack.endpoints.internal)


async def content(tenant: Tenant) -> None:
    """Notes, what technicians say of them, an edit that needs no other note, and an event that comes twice."""
    token = (await tenant.command("token", "create"))["token"]
    headers = {"Authorization": f"Bearer {token}"}
    for _ in range(2):
        ticket_id = await tenant.told()
        delivered = await tenant.delivered(ticket_id)
        said = {"ticket_id": ticket_id, "enhancement_id": delivered.enhancement_id, "rating": 4, "minutes_saved": 15}
        url = f"{tenant.chain.ingest}/api/v1/feedback"
        async with tenant.chain.session.post(url, json=said, headers=headers) as answer:
            assert answer.status == 202
        link = FEEDBACK_LINK.search((await tenant.notes(ticket_id))[0].description)
        assert link
        async with tenant.chain.session.post(html.unescape(link["url"]), data={"thumb": "up"}) as answer:
            assert answer.status == 200
        await tenant.edit(ticket_id, priority="Low")
        assert (await tenant.webhook(ticket_id)).status == 202
        (enriched,) = tenant.chain.tap.records(Topic.TICKETS_ENRICHED, tenant.partition, ticket_id)
        again = Record(
            Topic.TICKETS_ENRICHED.named(PREFIX),
            enriched.partition,
            enriched.key,
            enriched.value,
            list(enriched.headers),
        )
        await Forger(tenant.chain).write(again)
        await tenant.delivered(ticket_id, 2)


async def modern(tenant: Tenant) -> None:
    """Notes by an outside model, and one more once it was seen."""

    async def written() -> bool:
        return (await tenant.delivered(await tenant.told())).writer is Writer.MODEL

    await until(written, "the model writes", seconds=30)
    await written()


async def held(tenant: Tenant) -> None:
    """The desk is away."""
    await tenant.faulty(DeskFault(kind="error", status=503))
    await tenant.told()
    await tenant.handled(Stage.DELIVER, "hold", "desk_unavailable")


async def refused(tenant: Tenant) -> None:
    """Webhooks with a wrong signature; notes that the desk refuses for good."""
    await tenant.faulty(DeskFault(kind="error", status=422, operation="add_note", calls=2))
    right = tenant.secret
    for _ in range(2):
        tenant.secret = "whsec_MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMA=="
        assert (await tenant.send(b"{}")).status == 403
        tenant.secret = right
        await tenant.failure(await tenant.told())


async def busy(tenant: Tenant) -> None:
    """More tickets at once than the tenant may have in hand, at a slow desk."""
    await tenant.faulty(DeskFault(kind="latency", seconds=4.0, operation="add_note"))
    await asyncio.gather(*(tenant.told() for _ in range(BUSY)))


async def test_every_panel_has_data(prometheus: Prometheus, tenants: dict[str, Tenant]) -> None:
    asked = [(page, panel["title"], target) for page, panel in ALL for target in panel["targets"]]
    named = {(page, title, target["legendFormat"]) for page, title, target in asked}
    empty = {
        (page, title, target["expr"])
        for page, title, target in asked
        if (page, title, target["legendFormat"]) not in MAY_BE_EMPTY
    }
    assert set(MAY_BE_EMPTY) <= named

    async def none_is_empty() -> bool:
        for one in sorted(empty):
            if await prometheus.series(one[2]):
                empty.discard(one)
        return not empty

    try:
        await until(none_is_empty, "every panel has data", seconds=25)
    except AssertionError:
        raise AssertionError("without data:\n" + json.dumps(sorted(empty), indent=1)) from None


@pytest.mark.parametrize("name", PAGES)
async def test_every_tenant_can_be_chosen(prometheus: Prometheus, tenants: dict[str, Tenant], name: str) -> None:
    (variable,) = [one for one in PAGES[name]["templating"]["list"] if one["name"] == "tenant"]

    assert {tenant.tenant_id for tenant in tenants.values()} <= await prometheus.choices(variable["query"]["query"])


async def test_a_chosen_tenant_is_the_only_one_that_is_shown(
    prometheus: Prometheus, tenants: dict[str, Tenant]
) -> None:
    chosen = tenants["content"].tenant_id
    seen: dict[str, set[str]] = {}
    for _, panel in ALL:
        for target in panel["targets"]:
            series = await prometheus.series(target["expr"], chosen)
            seen.setdefault(panel["title"], set()).update(one.labels.get("tenant_id", chosen) for one in series)

    assert {title: others for title, found in seen.items() if (others := found - {chosen})} == {}
    assert seen["Tenants against the targets"] == {chosen}


async def test_the_figures_are_those_of_what_happened(prometheus: Prometheus, tenants: dict[str, Tenant]) -> None:
    """Counters whose first value is not 0 count in full."""
    happened = {
        ("content", "Average rating"): 4.0,
        ("content", "Thumbs up"): 1.0,
        ("content", "Minutes saved, per answer"): 15.0,
        ("content", "Success rate"): 1.0,
        ("refused", "Success rate"): 0.0,
    }
    for (name, title), value in happened.items():
        shown = await prometheus.series(number(title), tenants[name].tenant_id)
        assert shown, title
        assert shown[0].values[-1] == pytest.approx(value), title


async def test_tenant_verify_tells_whether_the_dashboards_have_a_tenant(
    prometheus: Prometheus, tenants: dict[str, Tenant]
) -> None:
    seen = await in_prometheus(prometheus.session, prometheus.url, tenants["held"].tenant_id)
    assert seen.ok and "from ingest" in seen.detail

    missed = await in_prometheus(prometheus.session, prometheus.url, "msp-nobody")
    assert missed.ok is False


def number(title: str) -> str:
    (found,) = [
        panel for page, panel in ALL if (page, panel["title"], panel["type"]) == ("Baseline Metrics", title, "stat")
    ]
    expression: str = found["targets"][0]["expr"]
    return expression
