"""`.env.example` names every variable that a process reads, so that nobody has to look for them in the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.ops.audit.settings import SealerSettings
from infra.ops.console.settings import ConsoleSettings
from infra.ops.lag.settings import LagSettings
from infra.ops.reconcile.settings import ReconcileSettings
from infra.runtime.kafka.client_settings import KafkaSettings
from infra.runtime.settings import ProcessSettings, variable
from ingest.settings import IngestSettings
from processors.deliver.settings import DeliverSettings
from processors.enrich.settings import EnrichSettings
from processors.feedback_aggregate.settings import FeedbackAggregateSettings
from processors.synthesize.settings import SynthesizeSettings

NAMED = set(re.findall(r"^#([A-Z][A-Z0-9_]*)=", Path(".env.example").read_text(encoding="utf-8"), re.MULTILINE))
LOCAL_STACKS = {"TICKETSTREAM_LOCAL", "TICKETSTREAM_PORTS_FILE"}
"""Set by the local stack for its own processes."""


@pytest.mark.parametrize(
    "settings",
    [
        IngestSettings,
        EnrichSettings,
        SynthesizeSettings,
        DeliverSettings,
        FeedbackAggregateSettings,
        ReconcileSettings,
        SealerSettings,
        LagSettings,
        ConsoleSettings,
    ],
)
def test_a_processs_variables(settings: type[ProcessSettings]) -> None:
    assert {variable(settings, (name,)) for name in settings.model_fields} - LOCAL_STACKS <= NAMED


def test_kafkas_variables() -> None:
    assert {f"KAFKA_{name.upper()}" for name in KafkaSettings.model_fields} <= NAMED


def test_what_compose_asks_for() -> None:
    asked = set(re.findall(r"\$\{([A-Z_]+)", Path("compose.yaml").read_text(encoding="utf-8")))
    assert asked <= NAMED
