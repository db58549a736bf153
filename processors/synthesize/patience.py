"""How long a model that is away is waited for, before the built-in writer answers instead."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

MAX_REMEMBERED = 10_000


@dataclass(slots=True)
class _Spent:
    attempts: int = 0
    seconds: float = 0.0


class Patience:
    """Counts the tries and the working time of each input, in this process only: after a rebalance the next owner starts
    again, so an input waits longer at worst, never for ever. Remembers the latest 10,000 inputs."""

    def __init__(self, *, attempts: int = 3, seconds: float = 60.0) -> None:
        self._attempts = attempts
        self._seconds = seconds
        self._spent: OrderedDict[str, _Spent] = OrderedDict()

    def worked(self, input_id: str) -> float:
        """Seconds of working time that failed tries took so far."""
        spent = self._spent.get(input_id)
        return spent.seconds if spent else 0.0

    def ends(self, input_id: str, seconds: float) -> bool:
        """Count a failed try that took so long; whether it was the last one."""
        spent = self._spent.setdefault(input_id, _Spent())
        self._spent.move_to_end(input_id)
        while len(self._spent) > MAX_REMEMBERED:
            self._spent.popitem(last=False)
        spent.attempts += 1
        spent.seconds += seconds
        return spent.attempts >= self._attempts or spent.seconds >= self._seconds

    def forget(self, input_id: str) -> None:
        self._spent.pop(input_id, None)
