"""Texts that every later system can store."""

from __future__ import annotations


def storable(text: str) -> str:
    """The text with U+FFFD for NUL and lone surrogates, which neither PostgreSQL nor UTF-8 can hold."""
    if text.isprintable():
        return text
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
