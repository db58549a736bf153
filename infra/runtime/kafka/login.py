"""Whether the brokers refuse this process's login: librdkafka says so apart from the call, which only runs out of time."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from infra.runtime.kafka.topic_report import BrokersUnreachable

SERVE_SECONDS = 0.1
ANSWER_SECONDS = 5.0


class LoginRefused(BrokersUnreachable):
    """The brokers answer and refuse user or password. Who waits for Kafka waits for this to be mended, too."""

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(f"{what}. {cure[:1].upper()}{cure[1:]}.")
        self.what, self.cure = what, cure


class LoginWatch:
    """Make the client of `watched` settings, and ask `refused` where a call failed."""

    def __init__(self, client_config: Mapping[str, Any]) -> None:
        self._servers = client_config.get("bootstrap.servers", "")
        self._user = client_config.get("sasl.username")
        self._said = ""

    def watched(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The same settings, with an ear for what the brokers say to the login."""
        return {**config, "error_cb": self._told}

    def _told(self, error: KafkaError) -> None:
        if error.code() == KafkaError._AUTHENTICATION:
            self._said = error.str()

    def refused(self, client: Any) -> LoginRefused | None:
        """The error to raise, if that is the reason. `client` is whose errors are looked for."""
        client.poll(SERVE_SECONDS)
        if not self._said:
            return None
        return LoginRefused(
            f"Kafka at {self._servers} refuses the login of {self._user!r} ({self._said})",
            "check KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD and KAFKA_SASL_MECHANISM, and that the brokers know the user",
        )


def refused_login(client_config: Mapping[str, Any]) -> LoginRefused | None:
    """Why a call with these settings got no answer, if it is the login: a client of its own asks, for 5 s at most. Blocking."""
    if "sasl.mechanism" not in client_config:
        return None
    watch = LoginWatch(client_config)
    try:
        client = AdminClient(watch.watched({**client_config, "log_level": 0}))
    except KafkaException:  # settings that no client can be made of
        return None
    with suppress(KafkaException):
        client.list_topics(timeout=ANSWER_SECONDS)
        return None
    return watch.refused(client)
