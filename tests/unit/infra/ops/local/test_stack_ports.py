"""The ports that a stack listens on: the last start's first, and whoever points at the simulator follows it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.ops.local.free_ports import LOOPBACK, free_ports
from infra.ops.local.stack.desks import moved_url
from infra.ops.local.stack.errors import WrongSetting
from infra.ops.local.stack.options import StackOptions
from infra.ops.local.stack.ports import StackPorts


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield int(server.getsockname()[1])


def started(state_dir: Path, told: list[str] | None = None) -> StackPorts:
    ports = StackPorts(state_dir, (told if told is not None else []).append)
    ports.load()
    return ports


def test_a_port_found_because_the_usual_one_was_taken_is_found_again(state_dir: Path, taken: int) -> None:
    first = started(state_dir)
    found = first.choose("servicedesk", taken)
    first.save()
    told: list[str] = []

    again = started(state_dir, told)

    usual = free_ports(1)[0]
    assert again.choose("servicedesk", usual) == found != taken
    assert again.moved("servicedesk") is None
    (line,) = told
    assert f"servicedesk listens on {found} as last time, not on {usual}" in line and "ports.json" in line


def test_with_any_free_port_it_is_the_last_one_again(state_dir: Path) -> None:
    first = started(state_dir)
    found = first.choose("kafka", 0)
    first.save()

    assert started(state_dir).choose("kafka", 0) == found


def test_when_the_last_port_is_taken_by_now_it_is_told_and_known_as_a_move(state_dir: Path, taken: int) -> None:
    (state_dir / "run" / "ports.json").write_text(f'{{"servicedesk": {taken}}}')
    told: list[str] = []
    ports = started(state_dir, told)

    now = ports.choose("servicedesk", 0, what="the desk simulator")

    assert told == [f"Port {taken} is taken: the desk simulator listens on {now}"]
    assert ports.moved("servicedesk") == (taken, now)


def test_a_named_port_goes_first_and_is_not_kept(state_dir: Path, taken: int) -> None:
    usual, named = free_ports(2)
    first = started(state_dir)
    first.choose("ingest", usual)
    first.save()
    second = started(state_dir)
    assert second.choose("ingest", named, named=True) == named
    second.save()
    told: list[str] = []
    third = started(state_dir, told)

    assert third.choose("ingest", taken, named=True) not in (taken, named)
    assert told and told[0].startswith(f"Port {taken} is taken: ingest listens on ")
    assert started(state_dir).choose("ingest", usual) == usual


def test_no_port_is_given_twice(state_dir: Path) -> None:
    (port,) = free_ports(1)
    ports = started(state_dir)

    assert ports.choose("ingest", port, named=True) == port
    assert ports.choose("servicedesk", port) != port


@pytest.mark.parametrize("written", ["", "[1]", "{", '{"kafka": "9092"}', '{"kafka": 70000}', '{"kafka": true}'])
def test_a_spoilt_memory_is_no_memory(state_dir: Path, written: str) -> None:
    (state_dir / "run" / "ports.json").write_text(written)
    (usual,) = free_ports(1)

    assert started(state_dir).choose("kafka", usual) == usual


@pytest.mark.parametrize(
    ("url", "moved"),
    [
        ("http://127.0.0.1:8090/msp-one", "http://127.0.0.1:9000/msp-one"),
        ("http://localhost:8090/app/msp-one", "http://localhost:9000/app/msp-one"),
        ("http://127.0.0.1:8091/msp-one", None),
        ("http://10.0.0.1:8090/msp-one", None),
        ("https://127.0.0.1:8090/msp-one", None),
        ("https://desk.example.com", None),
    ],
)
def test_only_the_simulators_own_former_address_is_moved(url: str, moved: str | None) -> None:
    assert moved_url(url, 8090, 9000) == moved


@pytest.mark.parametrize(("text", "port"), [("9000", 9000), ("0", 0), ("", None), (" 8081 ", 8081)])
def test_the_edges_port_can_be_named(text: str, port: int | None) -> None:
    assert StackOptions(environment={"TICKETSTREAM_INGEST_PORT": text}).named_ingest_port == port


@pytest.mark.parametrize("text", ["http", "-1", "65536", "80.5", "８０"])
def test_a_named_port_that_is_none_is_said_with_the_cure(text: str) -> None:
    with pytest.raises(WrongSetting, match=r"TICKETSTREAM_INGEST_PORT: .* is no port\. Give a number up to 65535"):
        StackOptions(environment={"TICKETSTREAM_INGEST_PORT": text}).check()
