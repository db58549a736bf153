"""No process is given a key ring that it has no use for."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.ops.local.stack.database import service_dsns
from infra.ops.local.stack.secrets import LocalSecrets
from infra.ops.local.stack.services import ALL_RINGS, RINGS, Site, environment
from ingest.settings import IngestSettings
from schemas.topics import Stage

SERVICES = ("ingest", "reconcile", "lag", "console", *(stage.value for stage in Stage))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """On a machine whose own environment names every ring."""
    secrets = LocalSecrets(tmp_path)
    named = {f"TICKETSTREAM_{ring.upper()}": "k1:named" for ring in (*ALL_RINGS, "console_keys")}
    named["TICKETSTREAM_OPERATOR_TOKEN"] = "tso_of-somebody"
    databases = service_dsns("postgresql://migrator@127.0.0.1/x", secrets, {})
    return Site(tmp_path, named, "127.0.0.1:9092", databases, secrets, 8080, 8090)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_gets_its_own_rings_and_no_other(site: Site, service: str) -> None:
    given = environment(site, service)
    rings = (*ALL_RINGS, "console_keys")
    assert {ring for ring in rings if f"TICKETSTREAM_{ring.upper()}" in given} == set(RINGS.get(service, ()))


def test_only_edge_and_console_open_webhook_secrets_and_the_edge_opens_no_desk(site: Site) -> None:
    opens = {service for service in SERVICES if "TICKETSTREAM_WEBHOOK_KEYS" in environment(site, service)}
    assert opens == {"ingest", "console"}
    assert "TICKETSTREAM_CREDENTIAL_KEYS" not in environment(site, "ingest")
    assert "credential_keys" not in IngestSettings.model_fields


def test_only_the_console_has_its_sessions_ring_and_the_operators_login(site: Site) -> None:
    for variable in ("TICKETSTREAM_CONSOLE_KEYS", "DATABASE_URL_OPERATOR", "TICKETSTREAM_STATE_DIR"):
        assert [service for service in SERVICES if variable in environment(site, service)] == ["console"]
    assert not any("TICKETSTREAM_OPERATOR_TOKEN" in environment(site, service) for service in SERVICES)
