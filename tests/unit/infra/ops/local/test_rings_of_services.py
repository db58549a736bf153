"""No process is given a key ring that it has no use for."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.ops.local.stack.database import service_dsns
from infra.ops.local.stack.secrets import LocalSecrets
from infra.ops.local.stack.services import ALL_RINGS, RINGS, Site, environment
from ingest.settings import IngestSettings
from schemas.topics import Stage

SERVICES = ("ingest", "reconcile", "lag", *(stage.value for stage in Stage))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """On a machine whose own environment names every ring."""
    secrets = LocalSecrets(tmp_path)
    named = {f"TICKETSTREAM_{ring.upper()}": "k1:named" for ring in ALL_RINGS}
    databases = service_dsns("postgresql://migrator@127.0.0.1/x", secrets, {})
    return Site(tmp_path, named, "127.0.0.1:9092", databases, secrets, 8080, 8090)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_gets_its_own_rings_and_no_other(site: Site, service: str) -> None:
    given = environment(site, service)
    assert {ring for ring in ALL_RINGS if f"TICKETSTREAM_{ring.upper()}" in given} == set(RINGS.get(service, ()))


def test_only_the_edge_opens_webhook_secrets_and_it_opens_no_desk(site: Site) -> None:
    assert [service for service in SERVICES if "TICKETSTREAM_WEBHOOK_KEYS" in environment(site, service)] == ["ingest"]
    assert "TICKETSTREAM_CREDENTIAL_KEYS" not in environment(site, "ingest")
    assert "credential_keys" not in IngestSettings.model_fields
