"""The simulator's HTTP side: desks under `/<desk>` and `/app/<desk>`, OAuth, faults, and the control routes."""

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

from aiohttp import web

from infra.ops.local.faults import FaultSchedule
from infra.ops.local.http_server import LARGEST_BODY, LONGEST_HANG, LocalHttpServer, json_answer, reset
from infra.ops.local.servicedesk_simulator import answers
from infra.ops.local.servicedesk_simulator.control_api import ControlApi
from infra.ops.local.servicedesk_simulator.gate import Gate, input_data
from infra.ops.local.servicedesk_simulator.ledger import Ledger, SeenCall
from infra.ops.local.servicedesk_simulator.oauth import TokenIssuer, refresh_token_of
from infra.ops.local.servicedesk_simulator.rest_api import ROUTES, ApiCall, RestApi
from infra.ops.local.servicedesk_simulator.settings import DeskFault, DeskKind, Operation, Quirks
from infra.ops.local.servicedesk_simulator.state import Desk, State
from infra.ops.local.servicedesk_simulator.webhooks import WebhookSender

Work = Callable[[], Awaitable[web.Response]]


class Simulator(LocalHttpServer):
    """Many desks in one process: `async with Simulator() as simulator: simulator.url`.

    With `state_dir` desks, requests, notes and the note ledger outlive the process; faults, tokens and the call ledger don't.
    `clock` gives seconds since 1970 for times, token life and rate limits; `seed` fixes faults with a probability.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        state_dir: Path | None = None,
        clock: Callable[[], float] = time.time,
        seed: int | None = None,
    ) -> None:
        super().__init__(port=port, host=host)
        self._clock = clock
        self._random = Random(seed)
        self.state = State(state_dir)
        self.ledger = Ledger()
        self.tokens = TokenIssuer(clock)
        self.gate = Gate(self.tokens, clock)
        self.webhooks = WebhookSender()
        self.api = RestApi(self.state, clock, self.webhooks.report)
        self._faults: defaultdict[str, FaultSchedule[DeskFault]] = defaultdict(lambda: FaultSchedule(self._random))

    def application(self) -> web.Application:
        app = web.Application(client_max_size=LARGEST_BODY)
        app.add_routes(ControlApi(self).routes())
        app.router.add_post("/oauth/v2/token", self._token)
        for method, path, operation in ROUTES:
            # The cloud's paths first: a desk on premises can't be named "app".
            app.router.add_route(method, "/app/{desk}/api/v3" + path, self._handler("cloud", operation))
            app.router.add_route(method, "/{desk}/api/v3" + path, self._handler("onprem", operation))
        app.router.add_route("*", "/{path:.*}", self._no_such_path)
        return app

    async def start(self) -> None:
        self.state.open()
        try:
            await super().start()
        except OSError:
            self.state.close()
            raise
        await self.webhooks.start()

    async def stop(self) -> None:
        await super().stop()
        await self.webhooks.stop()
        self.state.close()

    def faults_of(self, desk: str) -> FaultSchedule[DeskFault]:
        """The faults set for a desk."""
        return self._faults[desk]

    def clear_faults(self) -> None:
        """Clear the faults of all desks."""
        self._faults.clear()

    def reset(self) -> None:
        """Forget everything, in memory and in the folder."""
        self.state.reset()
        self.ledger.reset()
        self.tokens.reset()
        self.gate.reset()
        self.webhooks.reset()
        self.clear_faults()

    def _handler(self, kind: DeskKind, operation: Operation) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            desk = self.state.desks.get(request.match_info["desk"])
            if desk is None or desk.settings.kind != kind:
                return await self._no_such_path(request)
            call = SeenCall(desk.name, operation, request.match_info.get("request_id", ""), self._clock())
            return await self._serve(request, call, lambda: self._answer(request, desk, operation))

        return handle

    async def _answer(self, request: web.Request, desk: Desk, operation: Operation) -> web.Response:
        quirks = desk.settings.quirks
        path = request.match_info
        try:
            self.gate.admit(desk, request.headers)
            data = await input_data(request)
            call = ApiCall(desk, path.get("request_id", ""), path.get("item_id", ""), data)
            return answers.success(quirks, self.api.perform(operation, call))
        except answers.Refusal as refusal:
            return answers.refused(quirks, refusal)

    async def _token(self, request: web.Request) -> web.StreamResponse:
        # Zoho takes the parameters from the query as well.
        form = dict(request.query) | {name: str(value) for name, value in (await request.post()).items()}
        token = form.get("refresh_token", "")
        owner = next((desk.name for desk in self.state.desks.values() if refresh_token_of(desk) == token), "")

        async def issue() -> web.Response:
            status, body = self.tokens.issue(form, self.state.desks.values())
            return json_answer(body, status)

        return await self._serve(request, SeenCall(owner, "token", "", self._clock()), issue)

    async def _serve(self, request: web.Request, call: SeenCall, work: Work) -> web.StreamResponse:
        """Do the work of a call with the faults it meets before and after it."""
        self.ledger.seen(call)
        faults = self._faults[call.desk].take(call.operation) if call.desk in self._faults else []
        call.fault = "+".join(f"{fault.kind} {fault.when}" for fault in faults)
        answer: web.StreamResponse | None = None
        for fault in faults:
            if fault.when == "before":
                answer = await self._misbehave(request, fault) or answer
        if answer is None:
            # The whole request is read before the connection is broken, else the caller could tell that nothing was written.
            answer = await work()
            for fault in faults:
                if fault.when == "after":
                    answer = await self._misbehave(request, fault) or answer
        call.status = answer.status if request.transport and not request.transport.is_closing() else 0
        return answer

    async def _misbehave(self, request: web.Request, fault: DeskFault) -> web.StreamResponse | None:
        """What the caller gets instead of an answer; None when it is only late."""
        await request.read()
        if fault.kind == "latency":
            await self.pause(fault.delay(self._random))
            return None
        if fault.kind == "reset":
            return reset(request)
        if fault.kind == "hang":
            return await self.hang(request, LONGEST_HANG if fault.seconds is None else fault.seconds)
        return _page(fault, self._quirks(request))

    def _quirks(self, request: web.Request) -> Quirks:
        desk = self.state.desks.get(request.match_info.get("desk", ""))
        return Quirks() if desk is None else desk.settings.quirks

    async def _no_such_path(self, request: web.Request) -> web.StreamResponse:
        return web.Response(
            status=404, text="<html><body><h1>404 Not Found</h1></body></html>", content_type="text/html"
        )


def _page(fault: DeskFault, quirks: Quirks) -> web.Response:
    if fault.kind == "login_page":
        return web.Response(text=answers.LOGIN_PAGE, content_type="text/html")
    if fault.kind == "garbage":
        return web.Response(text=answers.GARBAGE, content_type="application/json")
    if fault.kind == "rate_limit":
        return answers.refused(quirks, answers.too_many(fault.retry_after))
    if fault.status < 500:  # the desk's own word: it won't take this call, however often
        return answers.refused(quirks, answers.Refusal(fault.status, 4001, "Value is not acceptable"))
    # A server error comes from the container around the desk, so it is no HTTP 200 on any desk.
    refusal = answers.Refusal(fault.status, 4004, "Internal Error", retry_after=fault.retry_after)
    return answers.refused(Quirks(), refusal)
