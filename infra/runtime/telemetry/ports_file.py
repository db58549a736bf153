"""Tells the local stack on which ports a process listens, since it may have asked for free ones."""

from __future__ import annotations

from pathlib import Path

import orjson


def write_ports(path: Path | None, *, internal: int, public: int | None = None, host: str = "127.0.0.1") -> None:
    """`{"public": url or null, "internal": url}`, written whole or not at all. Nothing without a path."""
    if path is None:
        return
    urls = {"public": f"http://{host}:{public}" if public else None, "internal": f"http://{host}:{internal}"}
    part = path.with_suffix(".part")
    part.write_bytes(orjson.dumps(urls))
    part.replace(path)
