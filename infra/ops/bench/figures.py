"""What a benchmark says: figures, the ratios made of them, and the machine that they come from."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from typing import Any

import psutil


@dataclass(slots=True)
class Bench:
    """`--json` prints exactly this. Ratios compare two things measured in the same run; figures alone say little."""

    name: str
    figures: dict[str, float | int] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    compared: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "figures": self.figures,
            "ratios": self.ratios,
            "compared": self.compared,
            "machine": machine(),
        }


def machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def cpu_seconds(pid: int) -> float:
    """CPU that a process has used so far, user and system, all its threads."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def cpu_seconds_of_all(pid: int) -> float:
    """The same with all its children, those that have ended, too."""
    process = psutil.Process(pid)
    ended = process.cpu_times()
    living = sum(cpu_seconds(child.pid) for child in process.children(recursive=True))
    return cpu_seconds(pid) + float(ended.children_user + ended.children_system) + living


def resident_megabytes(pid: int) -> int:
    """Memory that a process holds now."""
    return round(psutil.Process(pid).memory_info().rss / 1e6)
