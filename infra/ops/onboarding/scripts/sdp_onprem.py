"""Sends a request of ServiceDesk Plus (on premises) to ticketstream as a signed webhook. Python 3.7 or newer, nothing else needed.

Install    put this file and `ticketstream.secret` (the webhook secret, one line) into a folder that only the account which runs
           ServiceDesk Plus may read. Linux: chmod 600 ticketstream.secret. Windows: icacls ticketstream.secret /inheritance:r
           /grant:r "SYSTEM:R" "Administrators:F"
Test       python3 sdp_onprem.py --test      (Windows: py sdp_onprem.py --test)
Trigger    Admin > Automation > Custom Triggers > Execute Script:   py "C:\\ticketstream\\sdp_onprem.py" $COMPLETE_V3_JSON_FILE
Log        ticketstream.log beside this file: ticket id and answer, never the secret or what a ticket says.
Exit code  0 taken (or the test passed), 1 not taken, 2 set up wrongly.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import email.utils
import hashlib
import hmac
import json
import logging
import logging.handlers
import os
import random
import stat
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

URL = "@WEBHOOK_URL@"
"""Where webhooks go: https://.../api/v1/webhooks/TENANT"""
HERE = Path(__file__).resolve().parent
SECRET_FILE = HERE / "ticketstream.secret"
LOG_FILE = HERE / "ticketstream.log"

MOST_BODY_BYTES = 1000 * 1000
MOST_DESCRIPTION_CHARS = 64 * 1024
KEPT_OF_A_LARGE_ONE = ("id", "subject", "description", "requester", "account", "site", "category", "priority", "status")
TRIES = 5
ANSWER_SECONDS = 15.0
LONGEST_PAUSE = 30.0
ALL_SECONDS = 120.0
MOST_CLOCK_SECONDS = 300
AGAIN = frozenset({408, 429, 500, 502, 503, 504})
HARMLESS = b'{"test": true}'
"""No ticket: the edge checks its signature and then refuses it with 422, so that nothing comes of it."""

log = logging.getLogger("ticketstream")


class SetUpWrongly(Exception):
    """The text says what to do, and holds no secret."""


class Answer:
    """`status` is 0 where no answer came; `off` is how many seconds our clock is ahead of the edge's, None without its Date."""

    def __init__(self, status: int, said: str, off: float | None = None, retry_after: float | None = None) -> None:
        self.status, self.said, self.off, self.retry_after = status, said, off, retry_after


# -- the secret


def read_secret(path: Path) -> bytes:
    """The raw key: 43 characters, or what `whsec_` holds in base64."""
    if not path.is_file():
        raise SetUpWrongly(f"there is no file {path}: put the webhook secret into it, one line")
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise SetUpWrongly(f"others may read {path}: run: chmod 600 {path}")
    with path.open(encoding="utf-8-sig") as opened:
        text = opened.read(1000).strip()
    if text.startswith("whsec_"):
        try:
            key = base64.b64decode(text[len("whsec_") :], validate=True)
        except (binascii.Error, ValueError):
            raise SetUpWrongly(f"what follows whsec_ in {path} is cut off: copy the whole secret") from None
    else:
        key = text.encode("utf-8")
    if not 24 <= len(key) <= 64:
        raise SetUpWrongly(f"{path} holds no webhook secret: it begins with whsec_, or has 43 characters")
    return key


def fingerprint(key: bytes) -> str:
    """The same that `ticketstream tenant show` prints."""
    return hashlib.sha256(key).hexdigest()[:8]


# -- the webhook


def body_of(path: str, operation: str | None) -> tuple[str, bytes]:
    """The ticket's id and the webhook's body, from the file that ServiceDesk Plus wrote."""
    try:
        found = json.loads(Path(path).read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise SetUpWrongly(f"{path} can't be read as JSON ({error}): is $COMPLETE_V3_JSON_FILE the argument?") from None
    request = found.get("request", found) if isinstance(found, dict) else None
    if not isinstance(request, dict) or "id" not in request:
        raise SetUpWrongly(f"{path} holds no request with an id: is $COMPLETE_V3_JSON_FILE the argument?")
    if isinstance(request.get("description"), str):
        request["description"] = request["description"][:MOST_DESCRIPTION_CHARS]
    body: dict[str, Any] = {"request": request}
    told = operation or found.get("operation")
    if told:
        body["operation"] = told
    data = json.dumps(body).encode("ascii")
    if len(data) > MOST_BODY_BYTES:
        body["request"] = {name: request[name] for name in KEPT_OF_A_LARGE_ONE if name in request}
        data = json.dumps(body).encode("ascii")
    return str(request["id"]), data


def signed_headers(key: bytes, webhook_id: str, at: int, body: bytes) -> dict[str, str]:
    """Standard Webhooks 1.0: the signature is over `id.timestamp.body`."""
    signed = f"{webhook_id}.{at}.".encode("ascii") + body
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")
    return {
        "Content-Type": "application/json",
        "User-Agent": "ticketstream-sdp-onprem/1",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(at),
        "webhook-signature": "v1," + signature,
    }


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The edge never redirects: whatever does is not the edge, and gets no ticket."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def post(url: str, key: bytes, webhook_id: str, body: bytes) -> Answer:
    # Only https, or http to this computer: see _checked.
    request = urllib.request.Request(url, body, signed_headers(key, webhook_id, int(time.time()), body))  # noqa: S310 - https is checked
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=ANSWER_SECONDS) as answer:
            return _answer(answer.status, answer.headers, answer.read(2000))
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error.code, error.headers, error.read(2000))
    except (OSError, ValueError) as error:  # no connection, TLS, a name that isn't known, time over
        return Answer(0, f"no answer: {getattr(error, 'reason', None) or error}")


def _answer(status: int, headers: Any, body: bytes) -> Answer:
    date = email.utils.parsedate_tz(headers.get("Date") or "")
    off = None if date is None else time.time() - email.utils.mktime_tz(date)
    after = headers.get("Retry-After") or ""
    return Answer(status, body.decode("utf-8", "replace").strip(), off, float(after) if after.isdigit() else None)


def send(url: str, key: bytes, ticket_id: str, body: bytes) -> int:
    """Tries again, under the same webhook-id, where that may help: it is then taken once at most."""
    webhook_id, end = "msg_" + uuid.uuid4().hex, time.monotonic() + ALL_SECONDS
    for attempt in range(1, TRIES + 1):
        answer = post(url, key, webhook_id, body)
        log.info("ticket %s: try %d: %s %s", ticket_id, attempt, answer.status or "-", answer.said[:300])
        if answer.status in (200, 202):
            return 0
        pause = min(LONGEST_PAUSE, answer.retry_after or 2.0**attempt * (1 + random.random() / 4))
        last = attempt == TRIES or time.monotonic() + pause + ANSWER_SECONDS > end
        if last or not (answer.status == 0 or answer.status in AGAIN):
            break
        time.sleep(pause)
    log.error("ticket %s: not taken: %s", ticket_id, verdict(answer))
    say(f"not taken: {verdict(answer)}")
    return 1


# -- the test


def test(url: str, key: bytes) -> int:
    """Says whether secret, clock and address are right; no ticket comes of it."""
    say(f"address       {url}")
    say(f"fingerprint   {fingerprint(key)}   (must be the one that ticketstream tells for this secret)")
    answer = post(url, key, "msg_test_" + uuid.uuid4().hex, HARMLESS)
    clock_right = answer.off is not None and abs(answer.off) <= MOST_CLOCK_SECONDS
    say(f"clock         {_clock(answer.off, clock_right)}")
    passed = answer.status == 422 and clock_right
    say(f"signature     {'right' if answer.status == 422 else verdict(answer)}")
    say("TEST PASSED" if passed else "TEST FAILED")
    return 0 if passed else 1


def _clock(off: float | None, right: bool) -> str:
    if off is None:
        return "not known: there was no answer with a date"
    word = "ahead of" if off > 0 else "behind"
    return f"{abs(off):.0f} s {word} the edge's: {'right' if right else 'WRONG, at most 300 s are allowed'}"


def verdict(answer: Answer) -> str:
    """An answer in words, with what to do."""
    if answer.status == 403 and answer.off is not None and abs(answer.off) > MOST_CLOCK_SECONDS:
        return f"refused (403): this computer's clock is {abs(answer.off):.0f} s off, set it by NTP"
    words = {
        0: answer.said + ": check the address, the firewall, the proxy and the CA of this computer",
        400: "refused (400): something in between changes the headers or the body: " + answer.said[:200],
        403: "refused (403): wrong secret, or the tenant is unknown or disabled: compare the fingerprint with ticketstream's",
        404: "not found (404): the address is wrong",
        413: "too large (413)",
        415: "refused (415): something in between changes the Content-Type or compresses",
        422: "signature right, but a field is not (422): " + answer.said[:200],
        429: "too many webhooks (429): try again later, or ask for a higher rate",
        503: "ticketstream can't take it now (503): try again later",
    }
    return words.get(answer.status, f"HTTP {answer.status} is no answer of ticketstream: {answer.said[:200]}")


# -- the command


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description="Sends a request of ServiceDesk Plus to ticketstream.")
    parser.add_argument("file", nargs="?", help="$COMPLETE_V3_JSON_FILE")
    parser.add_argument(
        "operation", nargs="?", choices=["created", "updated", "closed"], help="if the trigger knows it"
    )
    parser.add_argument("--test", action="store_true", help="check secret, clock and address; sends no ticket")
    parser.add_argument("--url", default=URL, help=argparse.SUPPRESS)
    options = parser.parse_args()
    try:
        url, key = _checked(options.url), read_secret(SECRET_FILE)
        if options.test:
            return test(url, key)
        if not options.file:
            raise SetUpWrongly(
                "no file was given: the trigger's command ends with $COMPLETE_V3_JSON_FILE, or use --test"
            )
        _log_to_file()
        return send(url, key, *body_of(options.file, options.operation))
    except SetUpWrongly as error:
        log.error("%s", error)
        say(str(error))
        return 2


def _checked(url: str) -> str:
    parts = urlsplit(url)
    here = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and here)):
        raise SetUpWrongly(f"{url} is no https address: write it into URL at the top of this file")
    return url


def _log_to_file() -> None:
    """At most 2 MB; without a log where the folder can't be written."""
    try:
        handler = logging.handlers.RotatingFileHandler(LOG_FILE, maxBytes=1000000, backupCount=1, encoding="utf-8")
    except OSError:
        return
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)


if __name__ == "__main__":
    sys.exit(main())
