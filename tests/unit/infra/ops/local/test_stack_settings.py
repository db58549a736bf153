"""What keeps a stack from starting is said in words, with what to do, and before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.ops.local.stack import LocalStack, StackFailed, StackOptions, WrongSetting, services
from infra.ops.local.stack.database import operator_pool, prepare_database
from infra.ops.local.stack.secrets import LocalSecrets

AWAY = "postgresql://nobody:pa55@127.0.0.1:1/none"


async def test_a_postgresql_that_is_away_is_named_with_its_variable(tmp_path: Path) -> None:
    with pytest.raises(
        StackFailed, match=r"PostgreSQL can't be reached .*Check that it runs, and that DATABASE_URL is"
    ) as raised:
        await prepare_database(AWAY, LocalSecrets(tmp_path), {"DATABASE_URL": AWAY})

    assert "Errno" not in str(raised.value) and "pa55" not in str(raised.value)


async def test_an_operators_database_that_is_away_is_named_with_its_variable() -> None:
    with pytest.raises(StackFailed, match="DATABASE_URL_OPERATOR is right"):
        async with operator_pool(AWAY, {"DATABASE_URL_OPERATOR": AWAY, "DATABASE_URL": "postgresql://elsewhere"}):
            pass


@pytest.mark.parametrize("dsn", ["mysql://root:pa55@db/x", "postgresql://u:pa55/word@db/x"])
async def test_what_is_no_dsn_is_said_without_showing_it(tmp_path: Path, dsn: str) -> None:
    with pytest.raises(
        WrongSetting, match=r"DATABASE_URL is no address of a PostgreSQL\. Write postgresql://"
    ) as raised:
        await prepare_database(dsn, LocalSecrets(tmp_path), {"DATABASE_URL": dsn})

    assert "pa55" not in str(raised.value)


@pytest.mark.parametrize("folder", ["file", "file/below", "/proc/no/such/folder"])
async def test_an_impossible_state_folder_is_said_with_the_cure(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(WrongSetting, match=r"can't be the state folder \(.+\)\. Name one .*TICKETSTREAM_STATE_DIR"):
        await LocalStack(StackOptions(tmp_path / folder, environment={})).start()


async def test_a_file_in_the_way_is_named_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "logs").touch()

    with pytest.raises(StackFailed, match=r"File exists: .*/logs\. Check that .* or name another folder"):
        await LocalStack(StackOptions(tmp_path, environment={})).start()


async def test_a_wrong_kafka_setting_is_named_and_its_value_is_not_shown(tmp_path: Path) -> None:
    environment = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "KAFKA_SECURITY_PROTOCOL": "PLAIN-secret"}

    with pytest.raises(
        WrongSetting, match=r"^KAFKA_SECURITY_PROTOCOL: .*SASL_SSL.*\. Correct it; \.env\.example"
    ) as raised:
        await LocalStack(StackOptions(tmp_path, environment=environment)).start()

    told = str(raised.value)
    assert "secret" not in told and "http" not in told and "\n" not in told


async def test_kafka_settings_that_only_its_client_refuses_are_said_as_such(tmp_path: Path) -> None:
    environment = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "KAFKA_SECURITY_PROTOCOL": "SSL", "DATABASE_URL": AWAY}
    environment |= {"KAFKA_SSL_CA_LOCATION": str(tmp_path / "no-such.pem")}

    with pytest.raises(WrongSetting, match=r"Kafka's client refuses the KAFKA_ variables .*Correct them"):
        await LocalStack(StackOptions(tmp_path, environment=environment)).start()


def test_a_models_key_that_nobody_could_use_is_left_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    key = {"OPENROUTER_API_KEY": "sk-or-some-key"}
    assert not services.model_without_package({})
    assert not services.model_without_package(key)
    monkeypatch.setattr(services, "MODEL_PACKAGE", "no_such_package")
    assert services.model_without_package(key)
