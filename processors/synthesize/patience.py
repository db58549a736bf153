"""How long a model that is away is waited for, before the built-in writer answers instead."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from random import Random

from processors.synthesize.writer.writer import WriterUnavailable

MAX_REMEMBERED = 10_000
LONGEST_SECONDS = 60.0


@dataclass(slots=True)
class _Spent:
    attempts: int = 0
    seconds: float = 0.0


class Patience:
    """Counts the tries and the working time of each input, in this process only: after a rebalance the next owner starts
    again, so an input waits longer at worst, never for ever. Remembers the latest 10,000 inputs."""

    def __init__(self, *, attempts: int = 3, seconds: float = 60.0, random: Random | None = None) -> None:
        self._attempts = attempts
        self._seconds = seconds
        self._random = random or Random()
        self._spent: OrderedDict[str, _Spent] = OrderedDict()

    def worked(self, input_id: str) -> float:
        """Seconds of working time that failed tries took so far."""
        spent = self._spent.get(input_id)
        return spent.seconds if spent else 0.0

    def ends(self, input_id: str, failure: WriterUnavailable, seconds: float) -> bool:
        """Count a failed try that took so long; whether it was the last one. It is, too, when the model has been away for all that
        time already, or asks to be left alone for longer. A wait for another call that is finding out doesn't count."""
        spent = self._spent.setdefault(input_id, _Spent())
        self._spent.move_to_end(input_id)
        while len(self._spent) > MAX_REMEMBERED:
            self._spent.popitem(last=False)
        spent.attempts += not failure.probing
        spent.seconds += seconds
        over = spent.attempts >= self._attempts or spent.seconds >= self._seconds
        return over or max(failure.away_seconds, failure.retry_after) >= self._seconds

    def wait(self, input_id: str, failure: WriterUnavailable) -> float:
        """Seconds until the next try: what the failure says at least, twice as long after each try up to a minute, and up to a
        quarter longer by chance. What the breaker says is spread already."""
        if not failure.called:
            return failure.retry_after
        tries = self._spent[input_id].attempts if input_id in self._spent else 1
        longer = min(LONGEST_SECONDS, failure.retry_after * 2.0 ** min(max(tries - 1, 0), 16))
        return max(longer, failure.retry_after) * self._random.uniform(1.0, 1.25)

    def forget(self, input_id: str) -> None:
        self._spent.pop(input_id, None)
