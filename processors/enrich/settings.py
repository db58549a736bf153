"""enrich's settings."""

from __future__ import annotations

from pydantic import Field

from infra.runtime.stream.settings import StageSettings


class EnrichSettings(StageSettings):
    """`DATABASE_URL_ENRICH` is the DSN of the role `ticketstream_enrich`. The two limits bound gathering, in seconds."""

    database_url: str = Field(alias="DATABASE_URL_ENRICH", min_length=8)
    source_seconds: float = Field(3.0, gt=0, le=30)
    gather_seconds: float = Field(10.0, gt=0, le=60)
