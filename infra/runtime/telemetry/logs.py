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
    people = sys.stderr.isatty()
    steps: list[Any] = _for_people(service) if people else [_Line(service)]
    structlog.configure(
        processors=steps,
        wrapper_class=structlog.make_filtering_bound_logger(number) if people else _only(number, _JsonLogger),
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


class _JsonLogger(structlog.BoundLoggerBase):
    """structlog's logger with one step instead of its chain: the edge writes two lines a webhook."""

    def _written(self, level: str, event: str, fields: dict[str, Any]) -> None:
        (render,) = self._processors
        self._logger.msg(render(self._logger, level, {"event": event, **self._context, **fields}))

    def debug(self, event: str, **fields: Any) -> None:
        self._written("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._written("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._written("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._written("error", event, fields)

    def critical(self, event: str, **fields: Any) -> None:
        self._written("critical", event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """With the exception that is being handled."""
        self.error(event, **{"exc_info": True, **fields})


def _only(number: int, logger: type[Any]) -> type[Any]:
    """The logger with what is below this level left out."""
    below = [name.lower() for name, value in logging.getLevelNamesMapping().items() if value < number]
    return type(logger.__name__, (logger,), {name: _silent for name in below if hasattr(logger, name)})


def _silent(_: Any, __: str, **___: Any) -> None:
    """Instead of a line below the level."""


class _Line:
    """All of structlog's usual steps in one."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._second, self._stamp = -1, ""

    def __call__(self, _: Any, level: str, event: dict[str, Any]) -> bytes:
        if "exc_info" in event:
            event = structlog.processors.format_exc_info(None, level, event)  # type: ignore[assignment]
        event["level"], event["timestamp"], event["service"] = level, self._timestamp(), self._service
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
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        named,
        lambda *args: (console(*args) + "\n").encode(),
    ]
