"""`python -m infra.ops.local.monitoring.alert_log --port N`: each alert that Alertmanager sends becomes a line of JSON on stdout.

Prints one JSON line `{"url": ...}` when ready, stops on SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from aiohttp import web
from pydantic import BaseModel, Field

from infra.ops.local.http_server import LocalHttpServer, read_model, run


class Alert(BaseModel):
    """One alert of Alertmanager's webhook, version 4."""

    status: str
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    startsAt: str = ""  # noqa: N815 - Alertmanager's name

    def line(self) -> dict[str, Any]:
        """What the log says of it."""
        labels = {name: value for name, value in self.labels.items() if name not in {"alertname", "severity"}}
        return {
            "alert": self.labels.get("alertname", ""),
            "status": self.status,
            "severity": self.labels.get("severity", ""),
            "since": self.startsAt,
            "summary": self.annotations.get("summary", ""),
            "runbook": self.annotations.get("runbook", ""),
            "labels": labels,
        }


class Notification(BaseModel):
    """What Alertmanager sends at once."""

    alerts: list[Alert]


class AlertLog(LocalHttpServer):
    """`POST /alerts` takes Alertmanager's webhook."""

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.get("/ready", self._ready), web.post("/alerts", self._alerts)])
        return app

    async def _ready(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _alerts(self, request: web.Request) -> web.Response:
        for alert in (await read_model(request, Notification)).alerts:
            print(json.dumps(alert.line(), ensure_ascii=False), flush=True)
        return web.Response(status=204)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="alert_log", description="Alertmanager's alerts as lines of a log.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    sys.exit(run(AlertLog, port=parser.parse_args().port))
