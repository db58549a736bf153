"""Which calls the simulator saw: the latest of them, and counts of all."""

from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any

from infra.ops.local.servicedesk_simulator.settings import Operation

MOST_CALLS = 100_000


@dataclass(slots=True)
class SeenCall:
    """One call. `status` is None while it is under way and 0 when it ended without an answer; `fault` is the fault it met."""

    desk: str
    operation: Operation
    request_id: str
    at: float
    status: int | None = None
    fault: str = ""


class Ledger:
    """The latest 100,000 calls of all desks. The notes are in the state, which forgets none."""

    def __init__(self) -> None:
        self._calls: deque[SeenCall] = deque(maxlen=MOST_CALLS)
        self._counts: Counter[tuple[str, str]] = Counter()

    def seen(self, call: SeenCall) -> SeenCall:
        """Enter a call as it arrives."""
        self._calls.append(call)
        self._counts[call.desk, call.operation] += 1
        return call

    def as_json(self, desk: str = "", operation: str = "", request_id: str = "") -> dict[str, Any]:
        """The calls that fit, oldest first, and how often each operation was called in all."""
        fitting = [
            asdict(call)
            for call in self._calls
            if (not desk or call.desk == desk)
            and (not operation or call.operation == operation)
            and (not request_id or call.request_id == request_id)
        ]
        counts: Counter[str] = Counter()
        for (of_desk, name), count in self._counts.items():
            if not desk or of_desk == desk:
                counts[name] += count
        return {"calls": fitting, "counts": dict(counts)}

    def reset(self) -> None:
        """Forget all calls."""
        self._calls.clear()
        self._counts.clear()
