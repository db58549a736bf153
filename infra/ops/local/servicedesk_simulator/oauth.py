"""Zoho's OAuth as a cloud desk's client meets it: access tokens for a refresh token, a limited number of them."""

import secrets
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from infra.ops.local.servicedesk_simulator.state import Desk

TOKENS_PER_WINDOW = 10
WINDOW = 600.0
MOST_TOKENS = 100_000

Answer = tuple[int, dict[str, Any]]


def refresh_token_of(desk: Desk) -> str:
    """The refresh token that belongs to a cloud desk."""
    return desk.settings.refresh_token or f"refresh-{desk.name}"


class TokenIssuer:
    """Issues access tokens and knows which are valid. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._tokens: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._issued: defaultdict[str, deque[float]] = defaultdict(deque)

    def issue(self, form: Mapping[str, str], desks: Iterable[Desk]) -> Answer:
        """Status and body for `POST /oauth/v2/token`. Zoho answers a wrong client or refresh token with HTTP 200 and an `error`."""
        if form.get("grant_type") != "refresh_token":
            return 200, {"error": "invalid_grant_type"}
        refresh_token = form.get("refresh_token", "")
        mine = [desk for desk in desks if desk.settings.kind == "cloud" and refresh_token_of(desk) == refresh_token]
        if not mine:
            return 200, {"error": "invalid_code"}
        settings = mine[0].settings
        if form.get("client_id") != settings.client_id:
            return 200, {"error": "invalid_client"}
        if form.get("client_secret") != settings.client_secret:
            return 200, {"error": "invalid_client_secret"}
        if not self._within_limit(refresh_token):
            text = "You have made too many requests continuously. Please try again after some time."
            return 400, {"error": "Access Denied", "error_description": text, "status": "failure"}
        seconds = settings.quirks.access_token_seconds
        token = "1000." + secrets.token_hex(16) + "." + secrets.token_hex(16)
        self._tokens[token] = (refresh_token, self._clock() + seconds)
        if len(self._tokens) > MOST_TOKENS:
            self._tokens.popitem(last=False)
        scope = "SDPOnDemand.requests.ALL SDPOnDemand.solutions.READ"
        return 200, {"access_token": token, "scope": scope, "token_type": "Bearer", "expires_in": seconds}

    def _within_limit(self, refresh_token: str) -> bool:
        issued, now = self._issued[refresh_token], self._clock()
        while issued and issued[0] <= now - WINDOW:
            issued.popleft()
        if len(issued) >= TOKENS_PER_WINDOW:
            return False
        issued.append(now)
        return True

    def admits(self, token: str, desk: Desk) -> bool:
        """Whether an access token opens a desk now."""
        refresh_token, until = self._tokens.get(token, ("", 0.0))
        return until > self._clock() and refresh_token == refresh_token_of(desk)

    def revoke(self, desk: Desk) -> int:
        """Make a desk's access tokens invalid, as when an administrator revokes them; how many there were."""
        mine = [token for token, (refresh_token, _) in self._tokens.items() if refresh_token == refresh_token_of(desk)]
        for token in mine:
            del self._tokens[token]
        return len(mine)

    def reset(self) -> None:
        """Forget all tokens and counts."""
        self._tokens.clear()
        self._issued.clear()
