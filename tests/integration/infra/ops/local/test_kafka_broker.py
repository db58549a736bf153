"""The local broker: its data survives restarts, accidents and other ports, and it never outlives who started it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from infra.ops.local.kafka import KafkaBroker
from infra.ops.local.kafka.broker import new_cluster_id
from infra.ops.local.kafka.jars import DownloadFailed, MissingTool, find_jars, find_java, java_version
from infra.ops.local.kafka.properties import BrokerPorts, server_properties
from infra.runtime.kafka.topics import ensure_topics


@pytest.fixture(scope="module")
async def broker(kafka: str) -> AsyncIterator[KafkaBroker]:
    """One of its own; `kafka` only so that a missing tool skips here, too."""
    folder = Path(tempfile.mkdtemp(prefix="ts-broker-"))
    broker = KafkaBroker(folder)
    await broker.start()
    client = {"bootstrap.servers": broker.bootstrap_servers}
    await ensure_topics(client, prefix="", partitions=1, single_node=True)
    yield broker
    await broker.stop()
    shutil.rmtree(folder, ignore_errors=True)


def write(servers: str, topic: str, value: bytes) -> None:
    errors: list[object] = []
    producer = Producer({"bootstrap.servers": servers, "acks": "all", "message.max.bytes": 3_000_000})
    producer.produce(topic, value, partition=0, on_delivery=lambda error, _: errors.append(error))
    producer.flush(20)
    assert errors == [None]


def read(servers: str, topic: str) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "reads", "fetch.message.max.bytes": 3_000_000})
    partition = TopicPartition(topic, 0, 0)
    _, end = consumer.get_watermark_offsets(partition, timeout=10)
    consumer.assign([partition])
    messages = [consumer.poll(10) for _ in range(end)]
    consumer.close()
    return [message.value() for message in messages if message]


async def test_records_survive_a_stop_and_a_start_on_another_port(broker: KafkaBroker) -> None:
    write(broker.bootstrap_servers, "tickets.received", b"before")
    old_port, broker.port = broker.port, 0

    await broker.stop()
    await broker.start()

    assert broker.port != old_port
    assert b"before" in read(broker.bootstrap_servers, "tickets.received")


async def test_records_survive_a_kill_and_the_address_stays(broker: KafkaBroker) -> None:
    write(broker.bootstrap_servers, "tickets.received", b"before the kill")
    servers = broker.bootstrap_servers

    broker.kill()
    assert not broker.running
    await broker.start()

    assert broker.bootstrap_servers == servers
    assert b"before the kill" in read(servers, "tickets.received")


async def test_a_dead_letter_of_two_mebibytes_is_taken(broker: KafkaBroker) -> None:
    value = b"x" * (2 * 1024 * 1024 - 1024)

    write(broker.bootstrap_servers, "dead-letters", value)

    assert read(broker.bootstrap_servers, "dead-letters") == [value]


async def test_a_broker_ends_with_the_process_that_started_it_and_the_next_one_takes_over(broker: KafkaBroker) -> None:
    await broker.stop()
    program = (
        "import asyncio, sys, pathlib\n"
        "from infra.ops.local.kafka import KafkaBroker\n"
        "async def main():\n"
        "    broker = KafkaBroker(pathlib.Path(sys.argv[1])); await broker.start(); print(broker.pid, flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", program, str(broker.state_dir)], stdout=subprocess.PIPE, cwd=Path.cwd()
    )
    assert starter.stdout is not None
    pid = int(await asyncio.to_thread(starter.stdout.readline))
    starter.kill()
    starter.wait()

    await broker.start()

    assert not psutil.pid_exists(pid)
    assert read(broker.bootstrap_servers, "tickets.received")


def test_a_cluster_id_never_looks_like_an_option() -> None:
    drawn = iter([b"\xf8" + bytes(15), bytes(16)])  # the first would be "-AAA…"

    assert new_cluster_id(lambda _: next(drawn)) == "A" * 22


def program(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH on which only the test's own programs are."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return folder


def test_without_java_it_says_what_to_install(tools: Path) -> None:
    with pytest.raises(
        MissingTool, match=r"no java on the PATH.*Install Java 17 or later.*default-jre-headless.*KAFKA_B"
    ) as error:
        find_java()
    assert error.value.tool == "java"


def test_a_java_that_is_too_old_is_named_with_its_version(tools: Path) -> None:
    program(tools, "java", "echo 'openjdk version \"1.8.0_402\"' >&2")

    with pytest.raises(MissingTool, match=r"needs Java 17, and .*/java is version 8"):
        find_java()


@pytest.mark.parametrize("version", ["17.0.15", "21.0.4", "25", "26-ea"])
def test_java_17_and_every_later_one_will_do(tools: Path, version: str) -> None:
    program(tools, "java", f"echo 'openjdk version \"{version}\" 2025-04-15' >&2")

    assert find_java() == str(tools / "java")


def test_a_java_home_that_is_empty_is_named(tools: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))

    with pytest.raises(MissingTool, match="JAVA_HOME has no"):
        find_java()


@pytest.mark.parametrize(("told", "version"), [("17.0.15", 17), ("21-ea", 21), ("1.8.0_402", 8), ("25", 25)])
def test_versions_of_java_are_read(tools: Path, told: str, version: int) -> None:
    program(tools, "java", f"echo 'openjdk version \"{told}\" 2025-04-15' >&2")

    assert java_version(str(tools / "java")) == version


def test_without_maven_it_says_what_to_install(tools: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingTool, match=r"no mvn on the PATH.*Install it") as error:
        find_jars(tmp_path / "jars")
    assert error.value.tool == "mvn"


def test_a_failed_download_leaves_nothing_behind_and_shows_mavens_words(tools: Path, tmp_path: Path) -> None:
    program(tools, "mvn", "echo 'could not resolve host'; exit 1")

    with pytest.raises(DownloadFailed, match="could not resolve host"):
        find_jars(tmp_path / "cache" / "jars")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_download_killed_half_way_is_not_taken_for_the_jars(tools: Path, tmp_path: Path) -> None:
    out = 'for a in "$@"; do case $a in -DoutputDirectory=*) d=${a#-DoutputDirectory=};; esac; done; /bin/mkdir -p $d'
    program(tools, "mvn", f"{out}; : > $d/first.jar; exec /bin/sleep 600")
    environment = {**os.environ, "PATH": f"{tools}:/usr/bin:/bin"}
    fetch = (
        "import pathlib, sys; from infra.ops.local.kafka.jars import find_jars; find_jars(pathlib.Path(sys.argv[1]))"
    )
    cache = tmp_path / "cache" / "jars"
    half = subprocess.Popen([sys.executable, "-c", fetch, str(cache)], env=environment, start_new_session=True)
    deadline = time.monotonic() + 20
    while not list(tmp_path.glob("cache/*/jars/first.jar")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(half.pid, signal.SIGKILL)
    half.wait()
    program(tools, "mvn", f"{out}; : > $d/kafka_2.13-4.1.0.jar")

    assert [file.name for file in find_jars(cache).iterdir()] == ["kafka_2.13-4.1.0.jar"]


def test_clients_are_sent_to_the_proxys_port_when_there_is_one() -> None:
    lines = server_properties(BrokerPorts(client=1000, controller=1001, advertised=1002), Path("data")).splitlines()

    assert "advertised.listeners=PLAINTEXT://127.0.0.1:1002" in lines
    assert "listeners=PLAINTEXT://127.0.0.1:1000,CONTROLLER://127.0.0.1:1001" in lines
