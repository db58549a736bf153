"""Who may call a desk, in which form and how often: keys, the Accept header, `input_data`, rate limits."""

from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from hmac import compare_digest
from typing import Any

import orjson
from aiohttp import web

from infra.ops.local.servicedesk_simulator.answers import MEDIA_TYPE, bad_key, invalid, missing, too_many
from infra.ops.local.servicedesk_simulator.oauth import TokenIssuer
from infra.ops.local.servicedesk_simulator.settings import RateLimit
from infra.ops.local.servicedesk_simulator.state import Desk

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
BAD_KEY_WINDOW = 60.0


class Gate:
    """Checks a call before its operation; `clock` gives seconds."""

    def __init__(self, tokens: TokenIssuer, clock: Callable[[], float]) -> None:
        self._tokens = tokens
        self._clock = clock
        self._calls: defaultdict[str, deque[float]] = defaultdict(deque)
        self._bad_keys: defaultdict[str, deque[float]] = defaultdict(deque)

    def admit(self, desk: Desk, headers: Mapping[str, str]) -> None:
        """Raises Refusal 4022 for a bad key, 4015 above the rate, 4001 without the API's Accept header."""
        self._check_key(desk, headers)
        limit = desk.settings.rate_limit
        if limit is not None:
            self._check_rate(desk, limit)
        if MEDIA_TYPE not in headers.get("Accept", ""):
            # Which code a real desk gives here isn't documented.
            raise invalid(f"Accept header is not {MEDIA_TYPE}", "Accept")

    def _check_key(self, desk: Desk, headers: Mapping[str, str]) -> None:
        if desk.settings.kind == "cloud":
            scheme, _, token = headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "zoho-oauthtoken" or not self._tokens.admits(token, desk):
                raise bad_key()
            return
        if compare_digest(headers.get("authtoken", "").encode(), desk.settings.key.encode()):
            return
        most = desk.settings.quirks.bad_keys_per_minute
        if most is not None and not self._fits(self._bad_keys[desk.name], most, BAD_KEY_WINDOW):
            raise too_many(None)
        raise bad_key()

    def _check_rate(self, desk: Desk, limit: RateLimit) -> None:
        calls = self._calls[desk.name]
        if not self._fits(calls, limit.calls, limit.seconds):
            wait = int(calls[0] + limit.seconds - self._clock()) + 1
            raise too_many(wait if limit.tells_retry_after else None)

    def _fits(self, times: deque[float], most: int, seconds: float) -> bool:
        now = self._clock()
        while times and times[0] <= now - seconds:
            times.popleft()
        if len(times) >= most:
            return False
        times.append(now)
        return True

    def reset(self) -> None:
        """Forget all calls."""
        self._calls.clear()
        self._bad_keys.clear()


async def input_data(request: web.Request) -> Mapping[str, Any]:
    """`input_data`: of the query in a GET, of the form in a write. A JSON body isn't read, as on real desks. Raises Refusal."""
    if request.method == "GET":
        raw = request.query.get("input_data", "{}")
    elif request.method == "DELETE":
        return {}
    else:
        if request.content_type not in FORMS:
            raise missing("input_data")
        value = (await request.post()).get("input_data")
        if not isinstance(value, str):
            raise missing("input_data")
        raw = value
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise invalid("input_data is not JSON", "input_data") from None
    if not isinstance(data, dict):
        raise invalid("input_data is no object", "input_data")
    return data
