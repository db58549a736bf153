"""Settings: what is wrong is said by variable, with the cure and without the value."""

from __future__ import annotations

from pathlib import Path

import faust
import pytest
from pydantic import Field

from infra.runtime.kafka.client_settings import KafkaClient, KafkaSettings, load_kafka
from infra.runtime.settings import CommaSeparated, ProcessSettings, SigningSettings, load
from infra.runtime.stream.settings import StageSettings


class EdgeSettings(SigningSettings):
    """Stands for a process's own class."""

    webhook_keys: str = Field(min_length=10)
    database_url: str = Field(alias="DATABASE_URL_EDGE")
    workers: int = Field(4, ge=1)


class DeliverySettings(StageSettings):
    database_url: str = Field(alias="DATABASE_URL_DELIVERY")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A complete environment, and nothing of this machine's."""
    import os

    for name in list(os.environ):
        if name.startswith(("TICKETSTREAM_", "KAFKA_", "DATABASE_URL", "SCHEMA_REGISTRY")):
            monkeypatch.delenv(name)
    key = tmp_path / "edge.pem"
    key.write_text("a key")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
    monkeypatch.setenv("TICKETSTREAM_SIGNING_KEY_FILE", str(key))
    monkeypatch.setenv("TICKETSTREAM_WEBHOOK_KEYS", "k1:aGVsbG8gd29ybGQ=")
    monkeypatch.setenv("DATABASE_URL_EDGE", "postgresql://edge@127.0.0.1/ticketstream")
    return monkeypatch


def told(capsys: pytest.CaptureFixture[str], cls: type[ProcessSettings] = EdgeSettings) -> list[str]:
    """The lines on stderr of a process that ends with 2."""
    with pytest.raises(SystemExit) as exited:
        load(cls)
    assert exited.value.code == 2
    return capsys.readouterr().err.splitlines()


def test_variables_by_their_contract_names(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TICKETSTREAM_TOPIC_PREFIX", "blue-")
    environment.setenv("TICKETSTREAM_WORKERS", "9")
    settings = load(EdgeSettings)
    assert (settings.kafka_bootstrap_servers, settings.topic_prefix, settings.workers) == ("127.0.0.1:9092", "blue-", 9)
    assert settings.database_url.startswith("postgresql://edge@")
    assert (settings.internal_port, settings.log_level, settings.local) == (0, "INFO", False)


def test_what_is_missing_is_named_each_on_its_own_line(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL_EDGE", "TICKETSTREAM_WEBHOOK_KEYS"):
        environment.delenv(name)
    lines = told(capsys)
    assert {line.split(":")[0] for line in lines} == {
        "KAFKA_BOOTSTRAP_SERVERS",
        "DATABASE_URL_EDGE",
        "TICKETSTREAM_WEBHOOK_KEYS",
    }
    assert all("is not set. .env.example says what it is for." in line for line in lines)


def test_an_empty_variable_is_one_that_is_not_set(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("DATABASE_URL_EDGE", "")
    environment.setenv("TICKETSTREAM_WORKERS", "")
    assert [line.split(":")[0] for line in told(capsys)] == ["DATABASE_URL_EDGE"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TICKETSTREAM_WORKERS", "0"),
        ("TICKETSTREAM_WORKERS", "many"),
        ("TICKETSTREAM_INTERNAL_PORT", "70000"),
        ("TICKETSTREAM_TOPIC_PREFIX", "with space"),
        ("TICKETSTREAM_TOPIC_PREFIX", "x" * 61),
        ("TICKETSTREAM_LOG_LEVEL", "LOUD"),
        ("TICKETSTREAM_LOCAL", "perhaps"),
        ("TICKETSTREAM_WEBHOOK_KEYS", "s3cr3t"),
        ("SCHEMA_REGISTRY_URL", "registry:8081"),
    ],
)
def test_a_wrong_value_is_named_by_its_variable_and_not_repeated(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    environment.setenv(variable, value)
    (line,) = told(capsys)
    assert line.startswith(f"{variable}: ") and len(line) > len(variable) + 10
    assert value == "0" or value not in line


def test_a_missing_key_file_names_the_command_that_makes_one(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    environment.setenv("TICKETSTREAM_SIGNING_KEY_FILE", str(tmp_path / "none.pem"))
    (line,) = told(capsys)
    assert line.startswith("TICKETSTREAM_SIGNING_KEY_FILE: there is no file")
    assert "ticketstream key create" in line and "Value error" not in line


def test_a_stage_reads_its_own_roles_database(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,) = told(capsys, DeliverySettings)
    assert line.startswith("DATABASE_URL_DELIVERY: ")
    environment.setenv("DATABASE_URL_DELIVERY", "postgresql://delivery@127.0.0.1/ticketstream")
    settings = load(DeliverySettings)
    assert settings.slots > 0 and settings.hold_hours == 24


def test_settings_can_not_be_changed_later() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(EdgeSettings).workers = 3  # type: ignore[misc]


def test_a_list_is_taken_as_the_process_splits_it() -> None:
    class Listing(ProcessSettings):
        names: CommaSeparated = ()

    assert Listing.model_validate({**load(EdgeSettings).model_dump(by_alias=True), "names": ("a", "b")}).names == (
        "a",
        "b",
    )


def test_kafka_without_servers_ends_with_the_variables_name(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("KAFKA_BOOTSTRAP_SERVERS")
    environment.setenv("KAFKA_SECURITY_PROTOCOL", "TLS")
    with pytest.raises(SystemExit) as exited:
        load_kafka()
    assert exited.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert sorted(line.split(":")[0] for line in lines) == ["KAFKA_BOOTSTRAP_SERVERS", "KAFKA_SECURITY_PROTOCOL"]


def test_kafka_in_the_words_of_each_client(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("KAFKA_BOOTSTRAP_SERVERS", "one:9092, two:9092,")
    client = KafkaClient(load_kafka())
    assert client.librdkafka() == {"bootstrap.servers": "one:9092,two:9092", "security.protocol": "PLAINTEXT"}
    assert client.faust() == {"broker": ["kafka://one:9092", "kafka://two:9092"]}


@pytest.mark.parametrize(("protocol", "encrypted"), [("SASL_SSL", True), ("SASL_PLAINTEXT", False)])
def test_kafka_with_a_password(protocol: str, encrypted: bool) -> None:
    settings = KafkaSettings(
        bootstrap_servers="one:9093", security_protocol=protocol, sasl_username="enrich", sasl_password="secret"
    )
    config, faust_config = KafkaClient(settings).librdkafka(), KafkaClient(settings).faust()
    assert (config["sasl.mechanism"], config["sasl.username"], config["sasl.password"]) == (
        "SCRAM-SHA-512",
        "enrich",
        "secret",
    )
    credentials = faust_config["broker_credentials"]
    assert isinstance(credentials, faust.SASLCredentials)
    assert (credentials.username, credentials.password) == ("enrich", "secret")
    assert credentials.protocol.value == protocol
    assert (credentials.ssl_context is not None) is encrypted


def test_kafka_encrypted_without_a_password() -> None:
    config = KafkaClient(KafkaSettings(bootstrap_servers="one:9093", security_protocol="SSL")).faust()
    assert config["broker_credentials"].protocol.value == "SSL"
