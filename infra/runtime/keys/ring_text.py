"""A key ring among a process's settings: checked at start, so that a wrong one ends the process before it does anything."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, SecretStr

from infra.runtime.keys.rings import KeyRing, KeyRingError

_ANY = "key ring"


def _is_ring(text: SecretStr) -> SecretStr:
    try:
        KeyRing.parse(text.get_secret_value(), variable=_ANY)
    except KeyRingError as error:
        raise ValueError(str(error).removeprefix(f"{_ANY}: ")) from None
    return text


RingText = Annotated[SecretStr, AfterValidator(_is_ring)]
