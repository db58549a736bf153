"""The supervisor, with small real processes: started again with back-off, given up on wrong settings, never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from infra.ops.local.free_ports import free_ports
from infra.ops.local.log_file import LogFile
from infra.ops.local.stack.readiness import ServicesNotReady, wait_until_ready
from infra.ops.local.stack.service import Backoff, ServiceEvent, ServiceSpec, ServiceState
from infra.ops.local.stack.supervisor import Supervisor

RUNNING = "import time; print('running', flush=True); time.sleep(60)"
SLEEP = "import time; time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)


def service(name: str, program: str, *, stop_seconds: float = 5.0, **environment: str) -> ServiceSpec:
    return ServiceSpec(
        name, (sys.executable, "-c", program), {"PATH": "/usr/bin:/bin", **environment}, stop_seconds=stop_seconds
    )


async def until(holds: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never became true"
        await asyncio.sleep(0.02)


@pytest.fixture
def events() -> list[ServiceEvent]:
    return []


@pytest.fixture
async def supervisor(tmp_path: Path, events: list[ServiceEvent]) -> AsyncIterator[Supervisor]:
    backoff = Backoff(first=0.05, longest=0.2)
    supervisor = Supervisor(tmp_path / "logs", backoff=backoff, on_event=events.append)
    yield supervisor
    supervisor.kill()
    await supervisor.stop()


async def test_a_service_that_dies_is_started_again(supervisor: Supervisor) -> None:
    await supervisor.start([service("one", SLEEP)])
    first = supervisor.status("one").pid
    assert first is not None

    os.kill(first, signal.SIGKILL)
    await until(lambda: supervisor.status("one").restarts == 1)

    assert supervisor.status("one").state is ServiceState.RUNNING
    assert supervisor.status("one").pid != first


async def test_the_pauses_between_starts_grow_to_a_bound(supervisor: Supervisor, events: list[ServiceEvent]) -> None:
    await supervisor.start([service("crashing", "raise SystemExit(1)")])

    await until(lambda: supervisor.status("crashing").restarts >= 4)

    deaths = [event.text for event in events if event.status.state is ServiceState.WAITING]
    assert [text.rsplit("in ", 1)[1] for text in deaths[:4]] == ["0.1 s", "0.1 s", "0.2 s", "0.2 s"]
    assert supervisor.status("crashing").exit_code == 1


def test_the_back_off_doubles_from_its_first_to_its_longest() -> None:
    assert [Backoff(first=0.5, longest=3).delay(n) for n in (1, 2, 3, 4, 500)] == [0.5, 1.0, 2.0, 3.0, 3.0]


async def test_wrong_settings_are_not_tried_again(supervisor: Supervisor, events: list[ServiceEvent]) -> None:
    await supervisor.start([service("wrong", "import sys; print('NAME: is not set'); sys.exit(2)")])

    await until(lambda: supervisor.status("wrong").state is ServiceState.FAILED)

    assert supervisor.log("wrong").tail() == "NAME: is not set"
    assert [event.text for event in events] == ["started", "refuses its settings and is not started again"]


async def test_groups_are_stopped_in_reverse_order(supervisor: Supervisor, events: list[ServiceEvent]) -> None:
    for name in ("first", "second", "third"):
        await supervisor.start([service(name, SLEEP)])

    await supervisor.stop()

    stopped = [event.name for event in events if event.status.state is ServiceState.STOPPED]
    assert stopped == ["third", "second", "first"]


async def test_patience_with_a_service_that_ignores_sigterm_is_bounded(supervisor: Supervisor) -> None:
    await supervisor.start([service("deaf", STUBBORN, stop_seconds=0.5)])
    await until(lambda: supervisor.log("deaf").tail() == "deaf")
    pid = supervisor.status("deaf").pid
    assert pid is not None

    await asyncio.wait_for(supervisor.stop(), 5)

    assert not psutil.pid_exists(pid)


async def test_stopping_ends_the_wait_for_the_next_start(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, backoff=Backoff(first=600, longest=600))
    await supervisor.start([service("crashing", "raise SystemExit(1)")])
    await until(lambda: supervisor.status("crashing").state is ServiceState.WAITING)

    await asyncio.wait_for(supervisor.stop(), 2)


async def test_what_a_dead_service_started_is_killed_too(supervisor: Supervisor, tmp_path: Path) -> None:
    program = (
        "import subprocess, sys; child = subprocess.Popen(['sleep', '40']); print(child.pid, flush=True); child.wait()"
    )
    await supervisor.start([service("parent", program)])
    await until(lambda: supervisor.log("parent").tail().isdigit())
    child = int(supervisor.log("parent").tail())

    await supervisor.stop()

    await until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


async def test_a_restart_leaves_no_child_of_the_dead_service_behind(supervisor: Supervisor) -> None:
    program = "import subprocess; print(subprocess.Popen(['sleep', '40']).pid, flush=True); raise SystemExit(1)"
    await supervisor.start([service("parent", program)])
    await until(lambda: supervisor.log("parent").tail())
    child = int(supervisor.log("parent").tail().splitlines()[0])

    await until(lambda: supervisor.status("parent").restarts)

    await until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE, 5)


async def test_services_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    program = (
        "import asyncio, pathlib, sys\n"
        "from infra.ops.local.stack.service import ServiceSpec\n"
        "from infra.ops.local.stack.supervisor import Supervisor\n"
        "async def main():\n"
        "    supervisor = Supervisor(pathlib.Path(sys.argv[1]))\n"
        "    await supervisor.start([ServiceSpec('one', (sys.executable, '-c', sys.argv[2]), {})])\n"
        "    print(supervisor.status('one').pid, flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())"
    )
    holder = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program, str(tmp_path), RUNNING], stdout=subprocess.PIPE, cwd=Path.cwd()
    )
    assert holder.stdout is not None
    pid = int(await asyncio.to_thread(holder.stdout.readline))
    await until(lambda: LogFile(tmp_path / "one.log").tail() == "running")

    holder.kill()
    holder.wait()

    await until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


async def test_a_service_gets_only_its_own_environment(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET_OF_SOMEBODY_ELSE", "x")
    show = "import os; print(sorted(k for k in os.environ if 'SECRET' in k), flush=True)"

    await supervisor.start([service("shows", show, OWN_SECRET="y")])

    await until(lambda: "OWN_SECRET" in supervisor.log("shows").tail())
    assert "A_SECRET_OF_SOMEBODY_ELSE" not in supervisor.log("shows").tail()


def test_a_log_is_bounded_and_keeps_what_came_before(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "one.log", largest=100)
    with log.open() as out:
        out.write(b"a" * 200)
        out.flush()
        log.trim()
        out.write(b"after\n")

    assert log.tail() == "after"
    assert (tmp_path / "one.log.1").read_bytes() == b"a" * 200
    assert (tmp_path / "one.log").stat().st_mode & 0o777 == 0o600


def answering(port: int, delay: float = 0.0) -> str:
    return (
        "import http.server, time\n"
        f"time.sleep({delay})\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200); self.end_headers()\n"
        "    def log_message(self, *_): pass\n"
        f"http.server.HTTPServer(('127.0.0.1', {port}), Handler).serve_forever()"
    )


def with_health(spec: ServiceSpec, port: int) -> ServiceSpec:
    return ServiceSpec(spec.name, spec.command, spec.environment, health_url=f"http://127.0.0.1:{port}/readyz")


async def test_ready_means_that_every_service_answers_200(supervisor: Supervisor) -> None:
    ports = free_ports(2)
    specs = [with_health(service(f"s{port}", answering(port, delay=0.3)), port) for port in ports]
    await supervisor.start(specs)

    await wait_until_ready(supervisor, specs, seconds=20)

    assert {status.state for status in supervisor.statuses().values()} == {ServiceState.RUNNING}


async def test_waiting_ends_at_once_with_the_log_of_a_service_that_refuses_its_settings(supervisor: Supervisor) -> None:
    spec = with_health(service("wrong", "import sys; print('TICKETSTREAM_X: is not set'); sys.exit(2)"), 1)
    await supervisor.start([spec])

    with pytest.raises(ServicesNotReady, match=r"(?s)wrong refuses its settings.*TICKETSTREAM_X: is not set"):
        await wait_until_ready(supervisor, [spec], seconds=60)


async def test_waiting_ends_early_for_a_service_that_keeps_dying(supervisor: Supervisor) -> None:
    spec = with_health(service("crashing", "raise RuntimeError('a bug')"), 1)
    await supervisor.start([spec])

    with pytest.raises(ServicesNotReady, match=r"(?s)crashing died 4 times while starting.*RuntimeError: a bug"):
        await wait_until_ready(supervisor, [spec], seconds=60)


async def test_waiting_ends_at_its_deadline_and_says_what_was_missing(supervisor: Supervisor) -> None:
    spec = service("silent", SLEEP)
    await supervisor.start([spec])

    with pytest.raises(ServicesNotReady, match=r"silent is not ready after 0 s: it hasn't told its ports yet"):
        await wait_until_ready(supervisor, [spec], seconds=0.3)
