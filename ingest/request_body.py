"""Reading a request's body within bounds: size, time, media type. The bytes stay as they came, since they are signed."""

from __future__ import annotations

import asyncio

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_exceptions import HTTPRequestEntityTooLarge

from ingest.answers import JSON_TYPE, Refused

MAX_BODY_BYTES = 1024 * 1024
READ_SECONDS = 10.0
FORM_TYPE = "application/x-www-form-urlencoded"


async def read_body(request: web.Request, limit: int = MAX_BODY_BYTES) -> bytes:
    """The raw body. Refuses more than `limit` bytes (413) announced or sent, what takes over 10 s (408), broken chunks (400).

    Expects an application made with `client_max_size` of at most `limit`, or checks what it got.
    """
    length = request.content_length
    if length is not None and length > limit:
        raise _too_large(limit)
    try:
        if request.content.is_eof():  # all of it came along with the headers: no timer needed
            body = await request.read()
        else:
            async with asyncio.timeout(READ_SECONDS):
                body = await request.read()
    except HTTPRequestEntityTooLarge:
        raise _too_large(limit) from None
    except TimeoutError:
        raise Refused(408, f"the body took longer than {READ_SECONDS:.0f} s", reason="slow_body") from None
    except (HttpProcessingError, web.RequestPayloadError, ValueError):
        raise Refused(400, "the body is not framed as HTTP/1.1 says", reason="bad_framing") from None
    if len(body) > limit:
        raise _too_large(limit)
    return body


def require_media_type(request: web.Request, expected: str = JSON_TYPE) -> None:
    """415 unless the one Content-Type is `expected` and there is no Content-Encoding of any kind."""
    headers = request.headers
    if "Content-Encoding" in headers:
        raise Refused(415, "send the body as it is, without Content-Encoding", reason="content_encoding")
    types = headers.getall("Content-Type", ())
    if len(types) != 1 or (types[0] != expected and types[0].partition(";")[0].strip().lower() != expected):
        raise Refused(415, f"send Content-Type: {expected}", reason="content_type")


def header_values(request: web.Request, name: str) -> list[bytes]:
    """Every value of a header as the bytes that came."""
    return [value.encode("utf-8", "surrogateescape") for value in request.headers.getall(name, ())]


def _too_large(limit: int) -> Refused:
    return Refused(413, f"the body is larger than {limit} bytes", reason="too_large")
