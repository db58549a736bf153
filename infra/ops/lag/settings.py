"""The lag service's settings."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from infra.ops.lag.view import Scaling
from infra.runtime.settings import ProcessSettings
from infra.runtime.stream.lanes import DEFAULT_SLOTS
from schemas.topics import Stage


class ScalingSettings(BaseSettings):
    """How many events one worker of each stage works on at once: what the stages themselves read as `TICKETSTREAM_SLOTS`, and where
    they were given different ones, each by its name. `scaling_min_replicas` is the fewest workers that `/scaling` wants."""

    model_config = SettingsConfigDict(env_prefix="TICKETSTREAM_", extra="ignore", frozen=True, env_ignore_empty=True)

    slots: int = Field(DEFAULT_SLOTS, ge=1, le=1000)
    slots_enrich: int | None = Field(None, ge=1, le=1000)
    slots_synthesize: int | None = Field(None, ge=1, le=1000)
    slots_deliver: int | None = Field(None, ge=1, le=1000)
    slots_feedback_aggregate: int | None = Field(None, ge=1, le=1000)
    scaling_min_replicas: int = Field(2, ge=0, le=1000)

    @property
    def scaling(self) -> Scaling:
        own = {
            Stage.ENRICH: self.slots_enrich,
            Stage.SYNTHESIZE: self.slots_synthesize,
            Stage.DELIVER: self.slots_deliver,
            Stage.FEEDBACK_AGGREGATE: self.slots_feedback_aggregate,
        }
        return Scaling({stage: own[stage] or self.slots for stage in Stage}, self.scaling_min_replicas)


class LagSettings(ProcessSettings, ScalingSettings):
    """`DATABASE_URL_LAG` is the DSN of the role `ticketstream_lag`. Tenants' names and lags are for the platform's own staff and
    services: whoever reaches the port may read them, so it is never to be reached from outside the cluster."""

    database_url: SecretStr = Field(alias="DATABASE_URL_LAG", min_length=8)
    lag_port: int = Field(8082, ge=0, le=65535)
    lag_host: str = "127.0.0.1"
