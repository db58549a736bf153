"""How long, as people give it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import click

_FORM = re.compile(r"([0-9]{1,7})(s|m|h|d)|0")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Duration(click.ParamType):
    """A click type: `90m`, `24h`, `7d`, or `0`, up to `most`."""

    name = "duration"

    def __init__(self, most: timedelta) -> None:
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = _FORM.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"{value!r} is no duration: give one like 90m, 24h, 7d, or 0", param, ctx)
        found = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match[2] else timedelta()
        if found > self._most:
            self.fail(f"{value} is longer than {self._most.days} days", param, ctx)
        return found
