"""The console's settings."""

from __future__ import annotations

from pydantic import Field, SecretStr

from infra.runtime.keys.ring_text import RingText
from infra.runtime.keys.rings import KeyRing
from infra.runtime.settings import ProcessSettings
from ingest.source_address import SourceAddresses, TrustedProxies

KEYS = "TICKETSTREAM_CONSOLE_KEYS"


class ConsoleSettings(ProcessSettings):
    """`DATABASE_URL_CONSOLE` is the DSN of the role `ticketstream_console`, under which the pages read and sessions are kept: it
    may change no tenant. `DATABASE_URL_OPERATOR` is for the commands, each in a process of its own, which need what the command
    line needs. `console_keys` seals the tokens of those who are logged in."""

    database_url: SecretStr = Field(alias="DATABASE_URL_CONSOLE", min_length=8)
    operator_url: SecretStr = Field(alias="DATABASE_URL_OPERATOR", min_length=8)
    console_keys: RingText
    console_port: int = Field(8081, ge=0, le=65535)
    console_host: str = "127.0.0.1"
    trusted_proxies: TrustedProxies = ()
    console_commands: int = Field(6, ge=1, le=100)
    """Commands at once; a person has half of them at most."""
    console_command_seconds: float = Field(3600.0, ge=1, le=86_400)
    """The longest that a command may take."""

    @property
    def ring(self) -> KeyRing:
        return KeyRing.parse(self.console_keys.get_secret_value(), variable=KEYS)

    @property
    def source_addresses(self) -> SourceAddresses:
        return SourceAddresses.parse(self.trusted_proxies)

    @property
    def by_https(self) -> bool:
        """Outside the local stack there is always TLS in front, or a tunnel to one's own machine, which browsers trust as much."""
        return not self.local
