"""From which value on something is drawn in which colour: the targets and red flags that were agreed with the customer."""

from __future__ import annotations

from dataclasses import dataclass

GREEN, YELLOW, ORANGE, RED = "green", "yellow", "orange", "red"


@dataclass(frozen=True, slots=True)
class Limits:
    """Colours by the value from which on they hold; `first` is that of all below."""

    first: str
    steps: tuple[tuple[float, str], ...] = ()


NONE = Limits(GREEN)
ANY = Limits(GREEN, ((1, YELLOW),))
ANY_IS_BAD = Limits(GREEN, ((1, RED),))
SUCCESS = Limits(RED, ((0.90, YELLOW), (0.95, GREEN)))
NOTE_SECONDS = Limits(GREEN, ((60, YELLOW), (300, RED)))
WITHIN_A_MINUTE = Limits(RED, ((0.90, YELLOW), (0.95, GREEN)))
"""The same as p95 below 60 s."""
WAIT_SECONDS = Limits(GREEN, ((60, YELLOW), (300, RED)))
WEBHOOK_SECONDS = Limits(GREEN, ((1, YELLOW), (5, RED)))
ERRORS = Limits(GREEN, ((0.01, YELLOW), (0.05, RED)))
BACKLOG = Limits(GREEN, ((20, YELLOW), (50, ORANGE), (100, RED), (200, "dark-red")))
CONNECTIONS = Limits(GREEN, ((0.80, YELLOW), (0.90, RED)))
RATING = Limits(RED, ((3, YELLOW), (4, GREEN)))
THUMBS_UP = Limits(RED, ((0.50, YELLOW), (0.70, GREEN)))
LOOP_LAG_SECONDS = Limits(GREEN, ((0.1, YELLOW), (1, RED)))
SKEW_SECONDS = Limits(GREEN, ((1, YELLOW), (30, RED)))
VIEW_SECONDS = Limits(GREEN, ((5, YELLOW), (15, RED)))
"""From 15 s on the lag service answers 503, and KEDA falls back."""
SCRAPE_SECONDS = Limits(GREEN, ((0.3, YELLOW), (1, RED)))
SECRET_DUE_SECONDS = Limits(RED, ((0, ORANGE), (14 * 86400, GREEN)))
PROBE_SECONDS = Limits(GREEN, ((600, YELLOW), (900, RED)))
MEMORY_BYTES = Limits(GREEN, ((1.5 * 2**30, YELLOW), (2 * 2**30, RED)))
PROCESSOR_SHARE = Limits(GREEN, ((0.7, YELLOW), (0.95, RED)))
