"""The desk simulator over real HTTP: what clients must cope with is really there."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from infra.ops.local.http_server import ControlError, LocalHttpServer, json_answer
from infra.ops.local.servicedesk_simulator import (
    DeskFault,
    DeskSettings,
    Quirks,
    RateLimit,
    Simulator,
    SimulatorControl,
    WebhookTarget,
)
from infra.ops.local.servicedesk_simulator.webhooks import sign

ACCEPT = "application/vnd.manageengine.sdp.v3+json"
ONPREM = {"Accept": ACCEPT, "authtoken": "local-authtoken"}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        yield session


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(seed=1) as simulator:
        yield simulator


@pytest.fixture
async def control(simulator: Simulator, session: aiohttp.ClientSession) -> SimulatorControl:
    return SimulatorControl(simulator.url, session)


class Client:
    """A minimal client of one desk: status and JSON of each call."""

    def __init__(self, session: aiohttp.ClientSession, base: str, headers: dict[str, str] | None = None) -> None:
        self._session = session
        self._base = base + "/api/v3"
        self.headers = ONPREM if headers is None else headers

    async def get(self, path: str, data: object = None) -> tuple[int, Any]:
        params = {} if data is None else {"input_data": json.dumps(data)}
        async with self._session.get(self._base + path, params=params, headers=self.headers) as answer:
            return answer.status, json.loads(await answer.read())

    async def post(self, path: str, data: object, method: str = "POST") -> tuple[int, Any]:
        form = {"input_data": json.dumps(data)}
        async with self._session.request(method, self._base + path, data=form, headers=self.headers) as answer:
            return answer.status, json.loads(await answer.read())

    async def add_note(self, request_id: str, text: str = "<b>x</b>") -> tuple[int, Any]:
        return await self.post(
            f"/requests/{request_id}/notes", {"note": {"description": text, "show_to_requester": False}}
        )


def code(body: Any) -> int:
    status = body["response_status"]
    status = status[0] if isinstance(status, list) else status
    return int(status["messages"][0]["status_code"] if "messages" in status else status["status_code"])


async def until(met: Callable[[], Awaitable[bool]], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not await met():
        assert time.monotonic() < end, "not met in time"
        await asyncio.sleep(0.01)


async def test_a_note_is_written_listed_without_text_and_kept_after_the_request_is_deleted(
    control: SimulatorControl, session: aiohttp.ClientSession
) -> None:
    desk = Client(session, await control.put_desk("north"))
    request = await control.create_request("north", subject="VPN down", site="Oslo")
    assert request["site"] == {"name": "Oslo"}
    status, body = await desk.add_note(request["id"], "<p>ok</p><!-- marker -->")
    assert (status, code(body), body["note"]["description"]) == (201, 2000, "<p>ok</p>")

    notes = f"/requests/{request['id']}/notes"
    _, listed = await desk.get(notes)
    assert "description" not in listed["notes"][0]
    assert isinstance(listed["response_status"], list)
    _, listed = await desk.get(notes, {"list_info": {"fields_required": ["description"]}})
    assert listed["notes"] == [{"id": body["note"]["id"], "description": "<p>ok</p>"}]
    _, one = await desk.get(f"{notes}/{body['note']['id']}")
    assert one["note"]["description"] == "<p>ok</p>"

    await control.delete_request("north", request["id"])
    status, body = await desk.get(f"/requests/{request['id']}")
    assert (status, code(body)) == (404, 4007)
    assert (await desk.add_note(request["id"]))[0] == 404
    [kept] = await control.notes("north", request["id"])
    assert (kept.description, kept.show_to_requester) == ("<p>ok</p>", False)


async def test_wrong_calls_are_refused_with_the_desks_codes(
    control: SimulatorControl, session: aiohttp.ClientSession
) -> None:
    base = await control.put_desk("north", DeskSettings(key="right", quirks=Quirks(bad_keys_per_minute=2)))
    await control.create_request("north", id="7", subject="x")
    desk = Client(session, base, {"Accept": ACCEPT, "authtoken": "right"})
    for path, data, expected in [
        ("/requests/7/notes", {"note": {}}, (400, 4012)),
        ("/requests/7/notes", {"request_note": {"description": "x"}}, (400, 4012)),
        ("/requests/7/notes", {"note": {"description": "x", "show_to_requester": "no"}}, (400, 4021)),
        ("/requests/8/notes", {"note": {"description": "x"}}, (404, 4007)),
        ("/requests", {"request": {"description": "x"}}, (400, 4012)),
    ]:
        answer = await desk.post(path, data)
        assert (answer[0], code(answer[1])) == expected, path
    async with session.post(
        f"{base}/api/v3/requests/7/notes", json={"note": {"description": "x"}}, headers=desk.headers
    ) as refused:
        assert (refused.status, code(await refused.json())) == (400, 4012)
    status, body = await Client(session, base, {"authtoken": "right"}).get("/requests/7")
    assert (status, code(body)) == (400, 4001)
    stranger = Client(session, base, {"Accept": ACCEPT, "authtoken": "wrong"})
    found = [await stranger.get("/requests/7") for _ in range(3)]
    assert [(status, code(body)) for status, body in found] == [(401, 4022), (401, 4022), (429, 4015)]
    assert await control.notes() == []


async def test_lists_are_paged_sorted_and_searched(control: SimulatorControl, session: aiohttp.ClientSession) -> None:
    desk = Client(session, await control.put_desk("north"))
    for number in range(1, 6):
        state = "Closed" if number % 2 else "Open"
        await control.create_request("north", subject=f"Ticket {number}", status=state, last_updated_time=1000 * number)

    async def found(**list_info: Any) -> tuple[list[str], bool]:
        _, body = await desk.get("/requests", {"list_info": list_info})
        return [row["subject"][-1] for row in body["requests"]], body["list_info"]["has_more_rows"]

    newest = {"sort_field": "last_updated_time", "sort_order": "desc"}
    assert await found(row_count=2, **newest) == (["5", "4"], True)
    assert await found(row_count=4) == (["1", "2", "3", "4"], True)
    assert await found(row_count=5) == (["1", "2", "3", "4", "5"], False)
    assert await found(row_count=2, start_index=5, **newest) == (["1"], False)
    closed = {"field": "status.name", "condition": "is", "values": ["closed"]}
    later = {"field": "last_updated_time", "condition": "greater than", "value": "1000", "logical_operator": "AND"}
    assert await found(search_criteria={**closed, "children": [later]}) == (["3", "5"], False)
    either = [{"field": "subject", "condition": "ends with", "value": "2"}, {**closed, "logical_operator": "or"}]
    assert await found(search_criteria=either) == (["1", "2", "3", "5"], False)
    status, body = await desk.get("/requests", {"list_info": {"row_count": 101}})
    assert (status, code(body)) == (400, 4001)
    _, body = await desk.get("/requests")
    assert "description" not in body["requests"][0]


async def test_the_cloud_desk_has_its_own_key_path_and_tokens(session: aiohttp.ClientSession) -> None:
    now = [1000.0]
    async with Simulator(clock=lambda: now[0]) as simulator:
        control = SimulatorControl(simulator.url, session)
        base = await control.put_desk("fjord", DeskSettings(kind="cloud"))
        assert base == simulator.url + "/app/fjord"
        await control.create_request("fjord", id="7", subject="x")
        form = {
            "grant_type": "refresh_token",
            "client_id": "local-client",
            "client_secret": "local-client-secret",
            "refresh_token": "refresh-fjord",
        }

        async def token(**changed: str) -> tuple[int, Any]:
            async with session.post(simulator.url + "/oauth/v2/token", data=form | changed) as answer:
                return answer.status, await answer.json()

        assert await token(refresh_token="nobody") == (200, {"error": "invalid_code"})
        assert await token(client_secret="wrong") == (200, {"error": "invalid_client_secret"})
        answers = [await token() for _ in range(11)]
        assert [status for status, _ in answers] == [200] * 10 + [400]
        assert answers[10][1]["error"] == "Access Denied"
        first = answers[0][1]
        assert first["expires_in"] == 3600
        desk = Client(session, base, {"Accept": ACCEPT, "Authorization": "Zoho-oauthtoken " + first["access_token"]})
        status, body = await desk.post("/requests/7/notes", {"request_note": {"description": "x"}})
        assert (status, body["request_note"]["request"]) == (201, {"id": "7"})
        now[0] += 3601
        assert (await desk.get("/requests/7"))[0] == 401
        status, again = await token()
        desk.headers["Authorization"] = "Zoho-oauthtoken " + again["access_token"]
        assert (await desk.get("/requests/7"))[0] == 200
        assert await control.revoke_tokens("fjord") == 11
        assert (await desk.get("/requests/7"))[0] == 401


@pytest.mark.parametrize(
    ("fault", "written"),
    [
        (DeskFault(kind="error", status=503), 0),
        (DeskFault(kind="error", when="after"), 1),
        (DeskFault(kind="reset"), 0),
        (DeskFault(kind="reset", when="after"), 1),
        (DeskFault(kind="hang", seconds=0.05), 0),
        (DeskFault(kind="hang", seconds=0.05, when="after"), 1),
        (DeskFault(kind="garbage", when="after"), 1),
        (DeskFault(kind="login_page"), 0),
    ],
    ids=lambda value: f"{value.kind} {value.when}" if isinstance(value, DeskFault) else None,
)
async def test_a_fault_hits_only_its_operation_as_often_as_set_before_or_after_the_note(
    fault: DeskFault, written: int, control: SimulatorControl, session: aiohttp.ClientSession
) -> None:
    desk = Client(session, await control.put_desk("north"))
    await control.create_request("north", id="7", subject="x")
    await control.set_faults("north", fault.model_copy(update={"operation": "add_note", "calls": 1}))
    assert (await desk.get("/requests/7"))[0] == 200
    if fault.kind in ("reset", "hang"):
        with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
            await desk.add_note("7")
    elif fault.kind == "error":
        assert (await desk.add_note("7"))[0] == fault.status
    else:
        with pytest.raises(json.JSONDecodeError):
            await desk.add_note("7")
    assert len(await control.notes("north")) == written
    assert await control.faults("north") == []
    assert (await desk.add_note("7"))[0] == 201
    seen = (await control.calls("north", "add_note"))["calls"]
    broken = 0 if fault.kind in ("reset", "hang") else 200 if fault.kind != "error" else fault.status
    assert [call["status"] for call in seen] == [broken, 201]
    assert seen[0]["fault"] == f"{fault.kind} {fault.when}"


async def test_rate_limits_come_with_and_without_retry_after(
    control: SimulatorControl, session: aiohttp.ClientSession
) -> None:
    base = await control.put_desk("north", DeskSettings(rate_limit=RateLimit(calls=2, seconds=30)))

    async def statuses() -> list[tuple[int, str | None]]:
        found = []
        for _ in range(3):
            async with session.get(base + "/api/v3/requests", headers=ONPREM) as answer:
                found.append((answer.status, answer.headers.get("Retry-After")))
        return found

    limited = await statuses()
    assert [status for status, _ in limited] == [200, 200, 429]
    assert 28 <= int(limited[2][1] or 0) <= 31
    await control.put_desk("north")
    await control.set_faults(
        "north", DeskFault(kind="rate_limit", calls=1), DeskFault(kind="rate_limit", calls=1, retry_after=7)
    )
    assert await statuses() == [(429, None), (429, "7"), (200, None)]


async def test_latency_delays_and_combines_with_another_fault(
    control: SimulatorControl, session: aiohttp.ClientSession
) -> None:
    desk = Client(session, await control.put_desk("north"))
    await control.set_faults(
        "north", DeskFault(kind="error", calls=2), DeskFault(kind="latency", seconds=0.1, seconds_max=0.2)
    )
    started = time.monotonic()
    assert (await desk.get("/requests"))[0] == 500
    assert time.monotonic() - started >= 0.1
    assert [fault["calls"] for fault in await control.faults("north")] == [1, None]
    assert [(await desk.get("/requests"))[0] for _ in range(2)] == [500, 200]
    await control.clear_faults("north")
    assert (await desk.get("/requests"))[0] == 200
    assert await control.faults("north") == []


async def test_quirks_change_the_envelope(control: SimulatorControl, session: aiohttp.ClientSession) -> None:
    quirks = Quirks(response_status="array", failures_inside_200=True, fields_required_ignored=True)
    desk = Client(session, await control.put_desk("north", DeskSettings(quirks=quirks)))
    status, body = await desk.get("/requests/1")
    assert (status, code(body)) == (200, 4007)
    assert isinstance(body["response_status"], list)
    request = await control.create_request("north", subject="x")
    await desk.add_note(request["id"])
    _, body = await desk.get(f"/requests/{request['id']}/notes", {"list_info": {"fields_required": ["description"]}})
    assert "description" not in body["notes"][0]


async def test_a_restart_finds_desks_requests_and_notes_despite_a_torn_line(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    async with Simulator(state_dir=tmp_path) as simulator:
        control = SimulatorControl(simulator.url, session)
        desk = Client(session, await control.put_desk("north"))
        request = await control.create_request("north", subject="kept")
        deleted = await control.create_request("north", subject="deleted")
        await desk.add_note(request["id"], "first")
        await desk.add_note(deleted["id"], "of a deleted request")
        await control.delete_request("north", deleted["id"])
    with (tmp_path / "servicedesk.jsonl").open("ab") as journal:
        journal.write(b'{"what":"note","desk":"no')
    for _ in range(2):
        async with Simulator(state_dir=tmp_path) as simulator:
            control = SimulatorControl(simulator.url, session)
            assert [one["subject"] for one in await control.requests("north")] == ["kept"]
            assert [note.description for note in await control.notes()][:2] == ["first", "of a deleted request"]
            await Client(session, simulator.url + "/north").add_note(request["id"], "after the restart")
            assert len({note.note_id for note in await control.notes()}) == len(await control.notes())


@pytest.mark.parametrize("in_a_folder", [True, False])
async def test_stopped_and_started_again_it_is_found_where_it_was(
    in_a_folder: bool, tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    simulator = Simulator(state_dir=tmp_path if in_a_folder else None)
    async with simulator:
        control = SimulatorControl(simulator.url, session)
        base = await control.put_desk("north")
        request = await control.create_request("north", subject="x")
        await Client(session, base).add_note(request["id"])
    with pytest.raises(aiohttp.ClientConnectorError):
        await control.notes()
    async with simulator:
        assert (await Client(session, base).get(f"/requests/{request['id']}"))[0] == 200
        assert len(await control.notes("north")) == 1
        await control.reset()
        assert (await control.desks(), await control.notes()) == ([], [])


class Receiver(LocalHttpServer):
    """Takes webhooks; refuses the first."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[tuple[dict[str, str], bytes]] = []

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        return app

    async def _take(self, request: web.Request) -> web.Response:
        self.taken.append((dict(request.headers), await request.read()))
        return json_answer({}, 503 if len(self.taken) == 1 else 202)


async def test_webhooks_are_signed_and_sent_again_under_the_same_id(
    control: SimulatorControl, session: aiohttp.ClientSession
) -> None:
    secret = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
    async with Receiver() as receiver:
        target = WebhookTarget(url=receiver.url + "/hook", secret="whsec_" + secret)
        desk = Client(session, await control.put_desk("north", DeskSettings(webhook=target)))
        request = await control.create_request("north", subject="x")

        async def first_done() -> bool:
            return all(one["done"] for one in await control.webhooks("north"))

        await until(first_done)
        await desk.add_note(request["id"])
        await until(first_done)
        assert [one["attempts"] for one in await control.webhooks("north")] == [2, 1]
        ids = [headers["webhook-id"] for headers, _ in receiver.taken]
        assert ids[0] == ids[1] != ids[2]
        headers, body = receiver.taken[1]
        assert json.loads(body)["request"]["subject"] == "x"
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = hmac.digest(base64.b64decode(secret), signed, hashlib.sha256)
        assert headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode()


def test_the_signature_agrees_with_the_published_vector() -> None:
    headers = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_control_mistakes_say_what_to_do(control: SimulatorControl, session: aiohttp.ClientSession) -> None:
    with pytest.raises(ControlError, match="create it with PUT"):
        await control.requests("nowhere")
    with pytest.raises(ControlError, match="422"):
        await control.put_desk("app")
    await control.put_desk("north")
    with pytest.raises(ControlError, match="latency needs `seconds`"):
        await control.call("POST", "/desks/north/faults", {"faults": [{"kind": "latency"}]})
    with pytest.raises(ControlError, match="mandatory field subject"):
        await control.create_request("north")


async def test_stopping_ends_hanging_calls_at_once(session: aiohttp.ClientSession) -> None:
    async with Simulator() as simulator:
        control = SimulatorControl(simulator.url, session)
        desk = Client(session, await control.put_desk("north"))
        await control.set_faults("north", DeskFault(kind="hang"))
        call = asyncio.create_task(desk.get("/requests"))

        async def arrived() -> bool:
            return len((await control.calls("north"))["calls"]) == 1

        await until(arrived)
        started = time.monotonic()
    assert time.monotonic() - started < 2
    with pytest.raises(aiohttp.ClientError):
        await call


async def test_as_a_program_it_says_its_url_and_stops_on_sigterm(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "infra.ops.local.servicedesk_simulator",
        "--state-dir",
        str(tmp_path),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[5],
    )
    assert process.stdout is not None
    try:
        url = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))["url"]
        await SimulatorControl(url, session).put_desk("north")
        os.kill(process.pid, signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
        assert await process.stdout.read() == b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
