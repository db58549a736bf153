"""reconcile's settings."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, SecretStr

from infra.ops.reconcile.ports import Limits
from infra.runtime.keys.ring_text import RingText
from infra.runtime.keys.rings import KeyRing
from infra.runtime.settings import SigningSettings


class ReconcileSettings(SigningSettings):
    """`DATABASE_URL_RECONCILE` is the DSN of the role `ticketstream_reconcile`; the ring opens the desks' credentials."""

    database_url: SecretStr = Field(alias="DATABASE_URL_RECONCILE", min_length=8)
    credential_keys: RingText
    reconcile_interval_seconds: float = Field(300.0, ge=1, le=86_400)
    reconcile_grace_seconds: float = Field(120.0, ge=0, le=3600)
    """Younger tickets are left to their webhook."""
    reconcile_overlap_seconds: float = Field(600.0, ge=0, le=86_400)
    """So far before the newest known ticket each run begins."""
    reconcile_calls_per_minute: int = Field(20, ge=1, le=600)
    """To one desk."""

    @property
    def credential_ring(self) -> KeyRing:
        return KeyRing.parse(self.credential_keys.get_secret_value(), variable="TICKETSTREAM_CREDENTIAL_KEYS")

    @property
    def limits(self) -> Limits:
        return Limits(
            overlap=timedelta(seconds=self.reconcile_overlap_seconds),
            grace=timedelta(seconds=self.reconcile_grace_seconds),
        )
