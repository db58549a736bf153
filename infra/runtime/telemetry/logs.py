"""Logs: one JSON object a line on stderr, readable text on a terminal."""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

JSON_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS


def configure(service: str, level: str = "INFO") -> None:
    """Once at start. The standard library's loggers (Faust, aiokafka, …) go the same way, at WARNING or above."""
    number = logging.getLevelNamesMapping()[level]
    steps: list[Any] = _for_people(service) if sys.stderr.isatty() else [_Line(service)]
    structlog.configure(
        processors=steps,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _Stderr(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    foreign: list[Any] = [structlog.stdlib.add_logger_name, structlog.processors.add_log_level]
    ending: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *steps, _as_text]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=foreign, processors=ending))
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


def get_logger(name: str) -> Any:
    """`log.info("Job queued", tenant_id=…, ticket_id=…, event_id=…)`. Never the text of a ticket, never a secret."""
    return structlog.get_logger(logger_name=name)


class _Stderr:
    """Writes whole lines, each in one call."""

    def __init__(self) -> None:
        self._write, self._flush = sys.stderr.buffer.write, sys.stderr.buffer.flush

    def msg(self, line: bytes) -> None:
        self._write(line)
        self._flush()

    debug = info = warning = error = critical = exception = log = msg


class _Line:
    """All of structlog's usual steps in one, since the edge writes two lines a webhook: a quarter of the chain's cost."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._second, self._stamp = -1, ""

    def __call__(self, _: Any, level: str, event: dict[str, Any]) -> bytes:
        if "exc_info" in event:
            event = structlog.processors.format_exc_info(None, level, event)  # type: ignore[assignment]
        event["level"], event["timestamp"], event["service"] = level, self._timestamp(), self._service
        event.update(structlog.contextvars.get_contextvars())
        return _json(event)

    def _timestamp(self) -> str:
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second, self._stamp = second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._stamp}.{int((now - second) * 1e6):06d}Z"


def _json(event: dict[str, Any]) -> bytes:
    """A log line must never be what fails: an exception's text may hold what isn't Unicode, a number may be too long."""
    try:
        return orjson.dumps(event, default=str, option=JSON_OPTIONS)
    except TypeError:
        return json.dumps(event, default=repr, skipkeys=True).encode() + b"\n"


def _as_text(_: Any, __: str, line: bytes) -> str:
    """The standard library's handler ends the line itself."""
    return line.decode().removesuffix("\n")


def _for_people(service: str) -> list[Any]:
    console = structlog.dev.ConsoleRenderer()

    def named(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        event["service"] = service
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        named,
        lambda *args: (console(*args) + "\n").encode(),
    ]
