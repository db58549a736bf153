"""What the console answers when it doesn't do as asked: JSON for tools, a page for people."""

from __future__ import annotations

import math


class Refused(Exception):
    """The request gets this answer: `what` is wrong, and its `cure`. `reason` is a word for metrics and logs."""

    def __init__(self, status: int, what: str, cure: str, *, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(f"{what}: {cure}")
        self.status, self.what, self.cure, self.reason = status, what, cure, reason
        self.retry_after = math.ceil(retry_after)


class NotLoggedIn(Refused):
    """Whoever it is has to log in first."""

    def __init__(self, what: str = "you are not logged in") -> None:
        super().__init__(401, what, "log in with your operator token", reason="not_logged_in")


def away(what: str) -> Refused:
    """Something of ours doesn't answer: nobody is let through."""
    return Refused(503, what, "try again in a moment", reason="away", retry_after=2)


def too_many(wait: float) -> Refused:
    return Refused(
        429, "too many wrong tokens from here", f"wait {math.ceil(wait)} s", reason="locked_out", retry_after=wait
    )
