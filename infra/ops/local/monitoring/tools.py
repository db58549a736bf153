"""The programs that monitoring takes: installed ones, none is fetched."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from infra.ops.local.kafka import MissingTool

PROMETHEUS = ("prometheus",)
ALERTMANAGER = ("alertmanager", "prometheus-alertmanager")  # its makers' name, and Debian's
HOW = (
    "Debian, Ubuntu: apt-get install --no-install-recommends prometheus prometheus-alertmanager; "
    "macOS: brew install prometheus alertmanager"
)
INSTALL = f"Install both ({HOW}), or leave out --monitoring."


@dataclass(frozen=True, slots=True)
class MonitoringTools:
    """Paths of the programs."""

    prometheus: str
    alertmanager: str


def find_tools() -> MonitoringTools:
    """Those on the PATH. Raises MissingTool, which names all that are missing and says what to install."""
    found = {names: next(filter(None, map(shutil.which, names)), None) for names in (PROMETHEUS, ALERTMANAGER)}
    missing = [names[0] for names, path in found.items() if path is None]
    if missing:
        raise MissingTool(missing[0], f"Monitoring needs {' and '.join(missing)}, not on the PATH. {INSTALL}")
    return MonitoringTools(str(found[PROMETHEUS]), str(found[ALERTMANAGER]))
