"""deliver's settings."""

from __future__ import annotations

from pydantic import Field

from infra.runtime.keys.ring_text import RingText
from infra.runtime.keys.rings import KeyRing
from infra.runtime.stream.settings import StageSettings


class DeliverSettings(StageSettings):
    """`DATABASE_URL_DELIVER` is the DSN of the role `ticketstream_deliver`; `public_url` is where technicians' browsers reach the
    edge, for the feedback links; the rings open the desks' credentials and sign those links. `notes_a_day` is how many notes a
    ticket gets within 24 hours; an operator's replay with `--again` may exceed it."""

    database_url: str = Field(repr=False, alias="DATABASE_URL_DELIVER", min_length=8)
    public_url: str = Field(pattern=r"^https?://[^\s/]+[^\s]*$")
    credential_keys: RingText
    link_keys: RingText
    notes_a_day: int = Field(3, ge=1, le=100)

    @property
    def credential_ring(self) -> KeyRing:
        return KeyRing.parse(self.credential_keys.get_secret_value(), variable="TICKETSTREAM_CREDENTIAL_KEYS")

    @property
    def link_ring(self) -> KeyRing:
        return KeyRing.parse(self.link_keys.get_secret_value(), variable="TICKETSTREAM_LINK_KEYS")
