"""Settings of feedback_aggregate."""

from __future__ import annotations

from pydantic import Field

from infra.runtime.stream.settings import StageSettings


class FeedbackAggregateSettings(StageSettings):
    database_url: str = Field(repr=False, alias="DATABASE_URL_FEEDBACK_AGGREGATE")
