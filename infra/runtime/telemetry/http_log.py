"""What aiohttp's servers log: of a request that is no HTTP, or that ends in the middle, no more than that.

They would write an error with a traceback and what stood in the request: a token, the text of a ticket, as often as anybody cares
to send it.
"""

from __future__ import annotations

import logging

from aiohttp.http_exceptions import HttpProcessingError

from infra.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

_STRANGERS_FAULT = (HttpProcessingError, ConnectionError)


def server_logger() -> logging.Logger:
    """To be given to every `web.AppRunner`."""
    logger = logging.getLogger("ticketstream.http")
    if not logger.filters:
        logger.addFilter(_ours)
    return logger


def _ours(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, _STRANGERS_FAULT):
        return True
    log.info("Request not read", error=type(error).__name__)
    return False
