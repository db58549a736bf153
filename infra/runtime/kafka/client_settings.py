"""How this process reaches Kafka, by the usual variables, in the words of each client library."""

from __future__ import annotations

import ssl
import sys
from dataclasses import dataclass
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from infra.runtime.settings import MISCONFIGURED


class KafkaSettings(BaseSettings):
    """`KAFKA_BOOTSTRAP_SERVERS`, `KAFKA_SECURITY_PROTOCOL`, `KAFKA_SASL_*`, `KAFKA_SSL_*`."""

    model_config = SettingsConfigDict(env_prefix="KAFKA_", extra="ignore", frozen=True, env_ignore_empty=True)

    bootstrap_servers: str = Field(min_length=3)
    security_protocol: str = Field("PLAINTEXT", pattern=r"^(PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)$")
    sasl_mechanism: str = "SCRAM-SHA-512"
    sasl_username: str | None = None
    sasl_password: str | None = Field(None, repr=False)
    ssl_ca_location: str | None = None
    ssl_certificate_location: str | None = None
    ssl_key_location: str | None = None
    ssl_key_password: str | None = Field(None, repr=False)


def load_kafka() -> KafkaSettings:
    """The settings, or exit code 2 with a line per variable that is missing or wrong."""
    try:
        return KafkaSettings()
    except ValidationError as error:
        for item in error.errors(include_input=False):
            name = f"KAFKA_{str(item['loc'][0]).upper()}"
            sys.stderr.write(f"{name}: {item['msg']}. .env.example says what it is for.\n")
        sys.exit(MISCONFIGURED)


@dataclass(frozen=True, slots=True)
class KafkaClient:
    """The same settings for librdkafka, for Faust and for aiokafka."""

    settings: KafkaSettings

    @property
    def servers(self) -> list[str]:
        return [server.strip() for server in self.settings.bootstrap_servers.split(",") if server.strip()]

    def librdkafka(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "bootstrap.servers": ",".join(self.servers),
            "security.protocol": self.settings.security_protocol,
        }
        if "SASL" in self.settings.security_protocol:
            config["sasl.mechanism"] = self.settings.sasl_mechanism
            config["sasl.username"] = self.settings.sasl_username
            config["sasl.password"] = self.settings.sasl_password
        files = {
            "ssl.ca.location": self.settings.ssl_ca_location,
            "ssl.certificate.location": self.settings.ssl_certificate_location,
            "ssl.key.location": self.settings.ssl_key_location,
            "ssl.key.password": self.settings.ssl_key_password,
        }
        return config | {name: value for name, value in files.items() if value}

    def faust(self) -> dict[str, Any]:
        """`broker` and `broker_credentials` of a Faust app."""
        import faust  # only stages have it loaded

        config: dict[str, Any] = {"broker": [f"kafka://{server}" for server in self.servers]}
        context = self._ssl_context() if "SSL" in self.settings.security_protocol.replace("SASL", "") else None
        if "SASL" in self.settings.security_protocol:
            config["broker_credentials"] = faust.SASLCredentials(
                username=self.settings.sasl_username,
                password=self.settings.sasl_password,
                mechanism=self.settings.sasl_mechanism,
                ssl_context=context,
            )
        elif context:
            config["broker_credentials"] = faust.SSLCredentials(context)
        return config

    def aiokafka(self) -> dict[str, Any]:
        """For an AIOKafkaClient."""
        protocol = self.settings.security_protocol
        config: dict[str, Any] = {"bootstrap_servers": self.servers, "security_protocol": protocol}
        if protocol.endswith("SSL"):
            config["ssl_context"] = self._ssl_context()
        if "SASL" in protocol:
            config["sasl_mechanism"] = self.settings.sasl_mechanism
            config["sasl_plain_username"] = self.settings.sasl_username
            config["sasl_plain_password"] = self.settings.sasl_password
        return config

    def _ssl_context(self) -> ssl.SSLContext:
        settings = self.settings
        context = ssl.create_default_context(cafile=settings.ssl_ca_location)
        if settings.ssl_certificate_location:
            context.load_cert_chain(
                settings.ssl_certificate_location, settings.ssl_key_location, settings.ssl_key_password
            )
        return context
