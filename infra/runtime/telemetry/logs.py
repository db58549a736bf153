"""Logs: one JSON object a line on stderr, readable text on a terminal."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import logging
import sys
import threading
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

from infra.runtime.telemetry.repeats import SeldomRepeated

JSON_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z
MOST_GATHERED = 1000

Fields = dict[str, Any]


def configure(service: str, level: str = "INFO") -> None:
    """Once at start. The standard library's loggers (Faust, aiokafka, …) go the same way, at WARNING or above, and what they repeat
    is written once in ten seconds."""
    number = logging.getLevelNamesMapping()[level]
    people = sys.stderr.isatty()
    steps: list[Any] = _for_people(service) if people else [_json_step]
    _output.service = service
    structlog.configure(
        processors=steps,
        wrapper_class=structlog.make_filtering_bound_logger(number) if people else _only(number, _JsonLogger),
        logger_factory=lambda *_: _output,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    foreign: list[Any] = [structlog.stdlib.add_logger_name, structlog.processors.add_log_level]
    ending: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *steps, _as_text]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=foreign, processors=ending))
    handler.addFilter(SeldomRepeated())
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


def gather_on(loop: asyncio.AbstractEventLoop) -> None:
    """From now on the lines of one turn of this loop are written together: for a process that writes thousands a second. A
    process that is killed may lose the last turn's lines; warnings and worse are written at once."""
    _output.gather_on(loop)


def get_logger(name: str) -> Any:
    """`log.info("Job queued", tenant_id=…, ticket_id=…, event_id=…)`. Never the text of a ticket, never a secret."""
    return structlog.get_logger(logger_name=name)


def bind(**fields: Any) -> None:
    """From now on each line of this task, and of those that it starts, says this too, unless it says otherwise itself: an event's
    trace, tenant, ticket and id, so that what happened to a ticket is found by any of them."""
    _bound.set(fields)


_bound: ContextVar[Fields | None] = ContextVar("bound", default=None)


class _Output:
    """Whole lines to stderr, each in one call, or those of a turn of the loop in one."""

    def __init__(self) -> None:
        self.service = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._gathered: list[tuple[float, str, str, Fields, Fields]] = []

    def gather_on(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._thread = loop, threading.get_ident()
        atexit.register(self.flush)

    def take(self, level: str, event: str, context: Fields, fields: Fields, *, at_once: bool) -> None:
        if bound := _bound.get():
            fields = {**bound, **fields}
        line = (time.time(), level, event, context, fields)
        loop = self._loop
        if at_once or loop is None or loop.is_closed() or threading.get_ident() != self._thread:
            self.flush()
            self.msg(self.rendered(*line))
            return
        self._gathered.append(line)
        if len(self._gathered) == 1:
            loop.call_soon(self.flush)
        elif len(self._gathered) >= MOST_GATHERED:
            self.flush()

    def flush(self) -> None:
        gathered, self._gathered = self._gathered, []
        if gathered:
            self.msg(b"".join([self.rendered(*line) for line in gathered]))

    def msg(self, lines: bytes) -> None:
        """structlog's name for it. Where nobody reads or the disk is full the lines are lost, not the work that they tell of."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.buffer.write(lines)
            sys.stderr.buffer.flush()

    debug = info = warning = error = critical = exception = log = msg

    def rendered(self, at: float, level: str, event: str, context: Fields, fields: Fields) -> bytes:
        time_ = datetime.fromtimestamp(at, UTC)
        own = {"level": level, "timestamp": time_, "service": self.service}
        return _json({"event": event, **context, **fields, **own})


_output = _Output()


class _JsonLogger(structlog.BoundLoggerBase):
    """structlog's logger with one step instead of its chain: the edge writes two lines a webhook."""

    _logger: _Output

    def debug(self, event: str, **fields: Any) -> None:
        self._logger.take("debug", event, self._context, fields, at_once=False)

    def info(self, event: str, **fields: Any) -> None:
        self._logger.take("info", event, self._context, fields, at_once=False)

    def warning(self, event: str, **fields: Any) -> None:
        self._raised("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._raised("error", event, fields)

    def critical(self, event: str, **fields: Any) -> None:
        self._raised("critical", event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """With the exception that is being handled."""
        self.error(event, **{"exc_info": True, **fields})

    def _raised(self, level: str, event: str, fields: Fields) -> None:
        if "exc_info" in fields:
            fields = dict(structlog.processors.format_exc_info(None, level, fields))
        self._logger.take(level, event, self._context, fields, at_once=True)


def _only(number: int, logger: type[Any]) -> type[Any]:
    """The logger with what is below this level left out."""
    below = [name.lower() for name, value in logging.getLevelNamesMapping().items() if value < number]
    return type(logger.__name__, (logger,), {name: _silent for name in below if hasattr(logger, name)})


def _silent(_: Any, __: str, **___: Any) -> None:
    """Instead of a line below the level."""


def _json_step(_: Any, level: str, event: Fields) -> bytes:
    """For the standard library's loggers."""
    if "exc_info" in event:
        event = dict(structlog.processors.format_exc_info(None, level, event))
    return _output.rendered(time.time(), level, event["event"], _bound.get() or {}, event)


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

    def with_bound(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        return {**(_bound.get() or {}), **event}

    return [
        with_bound,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        named,
        lambda *args: (console(*args) + "\n").encode(),
    ]
