"""The edge's settings: environment variables, checked at start."""

from __future__ import annotations

from pydantic import Field, SecretStr

from infra.runtime.keys.ring_text import RingText
from infra.runtime.keys.rings import KeyRing
from infra.runtime.settings import SigningSettings
from ingest.source_address import SourceAddresses, TrustedProxies


class IngestSettings(SigningSettings):
    """`public_url` is how browsers reach the edge, which decides whether its cookie is for https only. `trusted_proxies` are the
    addresses and networks whose `X-Forwarded-For` is believed."""

    database_url: SecretStr = Field(alias="DATABASE_URL_INGEST")
    webhook_keys: RingText
    link_keys: RingText
    ingest_port: int = Field(8080, ge=0, le=65535)
    ingest_host: str = "127.0.0.1"
    public_url: str | None = Field(None, pattern=r"^https?://")
    trusted_proxies: TrustedProxies = ()

    @property
    def webhook_ring(self) -> KeyRing:
        return KeyRing.parse(self.webhook_keys.get_secret_value(), variable="TICKETSTREAM_WEBHOOK_KEYS")

    @property
    def link_ring(self) -> KeyRing:
        return KeyRing.parse(self.link_keys.get_secret_value(), variable="TICKETSTREAM_LINK_KEYS")

    @property
    def source_addresses(self) -> SourceAddresses:
        return SourceAddresses.parse(self.trusted_proxies)

    @property
    def reached_by_https(self) -> bool:
        """Not known means yes: outside the local stack there is always TLS in front."""
        return self.public_url.startswith("https://") if self.public_url else not self.local
