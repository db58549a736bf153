"""enrich's settings."""

from __future__ import annotations

from pydantic import Field

from infra.runtime.keys.ring_text import RingText
from infra.runtime.keys.rings import KeyRing
from infra.runtime.stream.settings import StageSettings


class EnrichSettings(StageSettings):
    """`DATABASE_URL_ENRICH` is the DSN of the role `ticketstream_enrich`. `source_seconds` and
    `gather_seconds` bound the gathering of context. For `gather_edits_seconds` later edits of a ticket wait for further ones (0:
    not at all); `notes_a_day` is deliver's limit, looked at before the model is paid. `credential_keys` is needed only where a
    tenant is in bearer mode: its tickets are asked for at its desk."""

    database_url: str = Field(repr=False, alias="DATABASE_URL_ENRICH", min_length=8)
    source_seconds: float = Field(3.0, gt=0, le=30)
    gather_seconds: float = Field(10.0, gt=0, le=60)
    gather_edits_seconds: float = Field(10.0, ge=0, le=60)
    notes_a_day: int = Field(3, ge=1, le=100)
    credential_keys: RingText | None = None

    @property
    def credential_ring(self) -> KeyRing | None:
        if self.credential_keys is None:
            return None
        return KeyRing.parse(self.credential_keys.get_secret_value(), variable="TICKETSTREAM_CREDENTIAL_KEYS")
