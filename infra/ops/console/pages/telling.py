"""How values are told on a page: times in UTC with their age, numbers with their unit, and what isn't known said so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from markupsafe import Markup

from schemas.times import rfc3339

UNKNOWN = Markup('<span class="unknown">unknown</span>')
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def moment(at: datetime | str | None, now: datetime) -> Markup:
    """A time as UTC with its age beside it; `never` for None, and a text that is no time as it is."""
    if at is None:
        return Markup('<span class="unknown">never</span>')
    if isinstance(at, str):
        try:
            at = datetime.fromisoformat(at)
        except ValueError:
            return Markup("{}").format(at)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time> <span class="age">{}</span>').format(
        rfc3339(at, "seconds"), f"{at:%Y-%m-%d %H:%M:%S} UTC", relative(at, now)
    )


def relative(at: datetime, now: datetime) -> str:
    """`3 min ago`, `in 2 d`, `now`."""
    off = (now - at).total_seconds()
    told = age(abs(off))
    if told == "0 s":
        return "now"
    return f"{told} ago" if off > 0 else f"in {told}"


def age(length: float | None) -> str | Markup:
    """Seconds in their largest unit, rounded down."""
    if length is None:
        return UNKNOWN
    whole = int(length)
    size, unit = next(((size, unit) for size, unit in _UNITS if whole >= size), (1, "s"))
    return f"{whole // size} {unit}"


def number(value: float | None, digits: int = 0) -> str | Markup:
    return UNKNOWN if value is None else f"{value:,.{digits}f}"


def percent(value: float | None) -> str | Markup:
    """Of a share from 0 to 1. Rounded down: what just misses its target isn't shown as having met it."""
    return UNKNOWN if value is None else f"{int(value * 1000) / 10:.1f} %"


def seconds(value: float | None) -> str | Markup:
    return UNKNOWN if value is None else f"{value:.1f} s"


def path(*parts: object) -> str:
    """A path of ours from its parts, each quoted."""
    return "/" + "/".join(quote(str(part), safe=":") for part in parts)


def query(given: Mapping[str, object], **changed: object) -> str:
    """`?…` of what is given with these changed; empty and None values are left out."""
    merged = {name: value for name, value in {**given, **changed}.items() if value not in (None, "")}
    return "?" + urlencode(merged)


def shown(value: object) -> str | Markup:
    """A value of a command's object as a person reads it."""
    if value is None or value == "":
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        said = (Markup("{} {}").format(name, shown(one)) for name, one in value.items() if one not in (None, ""))
        return Markup(", ").join(said) or "—"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Markup("<br>").join(shown(one) for one in value) or "—"
    return str(value)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "moment": moment,
    "age": age,
    "number": number,
    "percent": percent,
    "seconds": seconds,
    "query": query,
    "shown": shown,
}
GLOBALS: Mapping[str, Callable[..., Any]] = {"path": path}
