"""How often a process looks for garbage that only the collector finds, i.e. cycles."""

from __future__ import annotations

import gc


def collect_rarely() -> None:
    """Once a process has started: what is there stays and isn't looked at again, and what comes is looked at after 20,000 objects
    instead of 700. A webhook or event leaves few cycles behind, but so many objects live meanwhile that the collector would look
    at everything that the process has ever loaded many times a second."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
