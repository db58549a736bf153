"""Logs: one JSON object a line on stderr, readable text on a terminal."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import orjson
import structlog


def configure(service: str, level: str = "INFO") -> None:
    """Once at start. The standard library's loggers (Faust, aiokafka, …) go the same way, at WARNING or above."""
    number = logging.getLevelNamesMapping()[level]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer = _renderer(sys.stderr.isatty())
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, _named(service), renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared, _named(service)],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                lambda *args: renderer(*args).decode(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


def get_logger(name: str) -> Any:
    """`log.info("Job queued", tenant_id=…, ticket_id=…, event_id=…)`. Never the text of a ticket, never a secret."""
    return structlog.get_logger(logger_name=name)


def _named(service: str) -> Any:
    def add(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        event["service"] = service
        return event

    return add


def _renderer(terminal: bool) -> Any:
    if terminal:
        console = structlog.dev.ConsoleRenderer()
        return lambda *args: console(*args).encode()
    return structlog.processors.JSONRenderer(serializer=lambda value, **_: _json(value))


def _json(value: Any) -> bytes:
    """A log line must never be what fails: an exception's text may hold what isn't Unicode, a number may be too long."""
    try:
        return orjson.dumps(value, default=str)
    except TypeError:
        return json.dumps(value, default=repr, skipkeys=True).encode()
