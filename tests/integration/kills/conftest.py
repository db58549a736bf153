"""One killable chain for the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from infra.ops.local.model_server import ModelServer
from tests.integration.kills.town import PREMISES, Groups, Town

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase


@pytest.fixture(scope="package")
async def town(kafka: str, postgres: MigratedDatabase) -> AsyncIterator[Town]:
    """Everything runs and is ready."""
    await PREMISES.make_database(postgres)
    await PREMISES.make_topics(kafka)
    async with PREMISES.folder() as folder, ModelServer() as model:
        known = PREMISES.environment(postgres) | {
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "OPENROUTER_API_KEY": "for-the-local-model",
            "TICKETSTREAM_MODEL_API_BASE": model.base_url,
        }
        groups = Groups(folder)
        groups.short.touch()
        async with PREMISES.running(folder, known, groups=groups) as chain:
            town = Town(chain, model, groups)
            yield town
            for extra in town.extras:
                if extra.process.returncode is None:
                    extra.process.kill()
                    await extra.process.wait()
