"""What an erasure needs from Kafka."""

from __future__ import annotations

from typing import Protocol


class Records(Protocol):
    """One partition number in every topic. Blocking. Raises BrokersUnreachable for what passes by itself."""

    def extents(self, partition: int) -> dict[str, tuple[int, int]]:
        """By topic: the first offset that can be read, and the end."""

    def delete(self, partition: int) -> None:
        """All of them, up to the end as it is now."""
