"""Which calls the model server saw: the latest with their whole bodies, and counts of all."""

import hashlib
import os
from collections import Counter, deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

MOST_CALLS = 2000
MOST_BYTES = 256 * 1024 * 1024


def digest(value: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(value).hexdigest()


@dataclass(slots=True)
class ModelCall:
    """One call; times in seconds since 1970. `subject` is the ticket's, by the prompt. `status` is None while under way and 0 when
    it ended without an answer."""

    model: str
    started: float
    messages_hash: str
    authorization_hash: str
    body: dict[str, Any]
    size: int
    subject: str = ""
    ended: float | None = None
    status: int | None = None
    fault: str = ""
    total_tokens: int = 0


def messages_hash(messages: object) -> str:
    """The hash of a prompt, the same whatever the order of keys."""
    return digest(orjson.dumps(messages, option=orjson.OPT_SORT_KEYS))


class Ledger:
    """The latest 2,000 calls, at most 256 MiB of bodies. The counts forget nothing until reset.

    With a `journal` each call is appended to that file when it ends, a JSON object a line, all but its body: what a killed server
    answered is still known."""

    def __init__(self, journal: Path | None = None) -> None:
        self._journal = journal
        self._calls: deque[ModelCall] = deque()
        self._bytes = 0
        self._counts: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._by_messages: Counter[str] = Counter()
        self._under_way = 0
        self._most_under_way = 0

    def started(self, call: ModelCall) -> ModelCall:
        """Enter a call as it arrives."""
        self._calls.append(call)
        self._bytes += call.size
        while len(self._calls) > MOST_CALLS or (self._bytes > MOST_BYTES and len(self._calls) > 1):
            self._bytes -= self._calls.popleft().size
        self._counts[call.model] += 1
        self._by_messages[call.messages_hash] += 1
        self._under_way += 1
        self._most_under_way = max(self._most_under_way, self._under_way)
        return call

    def ended(self, call: ModelCall, status: int, at: float) -> None:
        """Enter how a call ended."""
        call.status, call.ended = status, at
        self._statuses[str(status)] += 1
        self._under_way -= 1
        if self._journal is not None:
            _append(self._journal, {name: value for name, value in asdict(call).items() if name != "body"})

    def calls(self, model: str = "") -> list[dict[str, Any]]:
        """The calls still kept, oldest first."""
        return [asdict(call) for call in self._calls if not model or call.model == model]

    def counts(self) -> dict[str, Any]:
        """Counts of all calls: by model, by status, distinct prompts, and how many were under way at once."""
        return {
            "calls": sum(self._counts.values()),
            "by_model": dict(self._counts),
            "by_status": dict(self._statuses),
            "distinct_prompts": len(self._by_messages),
            "repeated_prompts": sum(1 for count in self._by_messages.values() if count > 1),
            "under_way": self._under_way,
            "most_under_way": self._most_under_way,
        }

    def reset(self) -> None:
        """Forget all; calls under way are still counted as such."""
        self._calls.clear()
        self._bytes = 0
        for counter in (self._counts, self._statuses, self._by_messages):
            counter.clear()
        self._most_under_way = self._under_way


def _append(journal: Path, entry: dict[str, Any]) -> None:
    """In one write, so that a kill leaves no half of it before another's."""
    with os.fdopen(os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb", buffering=0) as out:
        out.write(orjson.dumps(entry) + b"\n")
