"""The sealer's settings."""

from __future__ import annotations

from pydantic import Field, SecretStr

from infra.runtime.settings import SigningSettings


class SealerSettings(SigningSettings):
    """`DATABASE_URL_SEALER` is the DSN of the role `ticketstream_sealer`. Kafka isn't needed."""

    kafka_bootstrap_servers: str = Field("", alias="KAFKA_BOOTSTRAP_SERVERS")
    database_url: SecretStr = Field(alias="DATABASE_URL_SEALER", min_length=8)
    audit_round_seconds: float = Field(60.0, ge=1, le=3600)
    """Between two looks for hours to seal."""
    audit_verify_seconds: float = Field(86_400.0, ge=1, le=604_800)
    """Between two verifications of all, after which old hours are dropped."""
