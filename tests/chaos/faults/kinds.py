"""What a fault is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.world import World

Strike = Callable[["World", Random], Awaitable[str]]
"""Does its harm and undoes it; returns what was done, for the report."""
