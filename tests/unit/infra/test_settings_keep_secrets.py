"""A settings object that gets into a log line or an error's text shows nothing secret."""

from __future__ import annotations

import re

import pytest
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from infra.ops.reconcile.settings import ReconcileSettings
from infra.runtime.kafka.client_settings import KafkaSettings
from ingest.settings import IngestSettings
from processors.deliver.settings import DeliverSettings
from processors.enrich.settings import EnrichSettings
from processors.feedback_aggregate.settings import FeedbackAggregateSettings
from processors.synthesize.settings import SynthesizeSettings

SECRET = re.compile(r"password|secret|token|_keys$|api_key$|database_url$")
ALL = (
    KafkaSettings,
    IngestSettings,
    EnrichSettings,
    SynthesizeSettings,
    DeliverSettings,
    FeedbackAggregateSettings,
    ReconcileSettings,
)


@pytest.mark.parametrize("settings", ALL)
def test_what_is_secret_is_not_in_the_repr(settings: type[BaseSettings]) -> None:
    secret = [name for name in settings.model_fields if SECRET.search(name)]
    assert secret
    shown = settings.model_construct(
        None,
        **{
            name: SecretStr("hidden-canary")
            if "SecretStr" in str(settings.model_fields[name].annotation)
            else "hidden-canary"
            for name in secret
        },
    )
    assert "canary" not in repr(shown)
    assert "canary" not in str(shown)
