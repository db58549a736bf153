"""JSON from strangers: valid UTF-8, of bounded depth."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import orjson

from ingest.answers import Refused, wrong_field

MAX_DEPTH = 32
WHOLE_DOCUMENT = "$"

# Possessive, and a string may end with the document: one pass over the body, whatever is in it.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_AS_SQUARE = bytes.maketrans(b"{}", b"[]")


def parse_json(body: bytes) -> Any:
    """The document. 400 for what isn't UTF-8 or isn't JSON, 422 for one nested deeper than 32, which is never parsed."""
    if _maybe_deep(body):
        _require_utf8(body)
        left = _brackets_beyond(body, MAX_DEPTH)
        if left and _balanced(left):
            raise wrong_field(WHOLE_DOCUMENT, f"nested deeper than {MAX_DEPTH} levels")
        if left:
            raise _not_json()
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _parse_leniently(body)


def _maybe_deep(body: bytes) -> bool:
    """Cheap upper bound: a document is no deeper than it has opening brackets, inside texts or not."""
    return body.count(b"{") + body.count(b"[") > MAX_DEPTH


def _brackets_beyond(body: bytes, depth: int) -> bytes:
    """What brackets are left when the innermost pairs have been taken away `depth` times: none if no nesting is deeper."""
    brackets = _STRING.sub(b"", body).translate(_AS_SQUARE, delete=_NO_BRACKETS)
    for _ in range(depth):
        if not brackets:
            break
        brackets = brackets.replace(b"[]", b"")
    return brackets


def _balanced(brackets: bytes) -> bool:
    """Whether closing brackets only close; exact enough to tell a deep document from a torn one."""
    return brackets.count(b"[") == brackets.count(b"]") and brackets.startswith(b"[")


def _parse_leniently(body: bytes) -> Any:
    """orjson refuses escapes of lone surrogates, which JSON's grammar allows (RFC 8259, section 8.2) and some desks send."""
    text = _require_utf8(body)
    if "\\u" not in text:
        raise _not_json()
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise _not_json() from None


def _require_utf8(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(400, "the body is not UTF-8", reason="not_utf8") from None


def _not_json() -> Refused:
    return Refused(400, "the body is not JSON", reason="not_json")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
