"""W3C trace context: every event carries one, so that a ticket's way can be followed even where no tracing backend is set up."""

from __future__ import annotations

import os
import re
from functools import lru_cache

_FORM = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def new_traceparent() -> str:
    """A fresh trace, not sampled: `00-<trace id>-<span id>-00`. Source: W3C Trace Context, section 3.2."""
    drawn = os.urandom(24).hex()
    return f"00-{drawn[:32]}-{drawn[32:]}-00"


@lru_cache(1024)
def valid_traceparent(text: str | None) -> str | None:
    """The text if it is a traceparent of version 00, else None: others' headers are not passed on unread."""
    return text if text and _FORM.fullmatch(text) else None


def trace_id(traceparent: str | None) -> str | None:
    """The trace id in a W3C traceparent, e.g. `00-<32 hex>-<16 hex>-01`; None if it isn't one: no signature covers it."""
    valid = valid_traceparent(traceparent)
    return valid.split("-")[1] if valid else None
