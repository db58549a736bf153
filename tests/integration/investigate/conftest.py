"""A chain whose stages break as they are told."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.ops.local.model_server import ModelServer
from infra.ops.local.stack.service import ServiceSpec
from infra.ops.local.stack.services import Site, service_groups
from schemas.topics import Stage
from tests.integration.investigate.world import PREMISES, World

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

BREAKABLE = frozenset({Stage.ENRICH.value, Stage.SYNTHESIZE.value, Stage.DELIVER.value})


def breaking(folder: Path, site: Site) -> Sequence[Sequence[ServiceSpec]]:
    def of(spec: ServiceSpec) -> ServiceSpec:
        if spec.name not in BREAKABLE:
            return spec
        command = (sys.executable, "-m", "tests.integration.investigate.breakable", spec.name)
        known = {**spec.environment, "BREAK_PLAN": str(folder / f"{spec.name}.plan")}
        return replace(spec, command=command, environment=known)

    return [[of(spec) for spec in group] for group in service_groups(site)]


@pytest.fixture(scope="module")
async def world(kafka: str, postgres: MigratedDatabase) -> AsyncIterator[World]:
    """Everything runs and is ready."""
    await PREMISES.make_database(postgres)
    await PREMISES.make_topics(kafka)
    async with PREMISES.folder() as folder, ModelServer() as model:
        known = PREMISES.environment(postgres) | {
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "TICKETSTREAM_RECONCILE_INTERVAL_SECONDS": "86400",
            "TICKETSTREAM_GATHER_EDITS_SECONDS": "1",
            "OPENROUTER_API_KEY": "for-the-local-model",
            "TICKETSTREAM_MODEL_API_BASE": model.base_url,
        }
        async with PREMISES.running(folder, known, groups=partial(breaking, folder)) as chain:
            yield World(chain, model, folder)
