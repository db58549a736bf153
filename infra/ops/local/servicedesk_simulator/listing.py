"""Lists as the v3 API gives them: `list_info` with paging, sorting and search criteria."""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.ops.local.servicedesk_simulator.answers import invalid

MOST_ROWS = 100
USUAL_ROWS = 10
DEEPEST_CRITERIA = 5

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, and its `list_info`."""

    rows: list[Record]
    list_info: dict[str, Any]


def value_at(record: Record, path: str) -> Any:
    """The value at a dotted path. An object without further path is compared by its value (times) or its name."""
    current: Any = record
    for part in path.split("."):
        if not isinstance(current, Mapping):
            return None
        current = current.get(part)
    if isinstance(current, Mapping):
        return current.get("value", current.get("name"))
    return current


def _number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


def _compared(compare: Callable[[Any, Any], bool]) -> Callable[[Any, list[Any]], bool]:
    def test(value: Any, wanted: list[Any]) -> bool:
        left, right = _number(value), _number(wanted[0])
        if left is None or right is None:
            return value is not None and compare(str(value), str(wanted[0]))
        return compare(left, right)

    return test


def _is(value: Any, wanted: list[Any]) -> bool:
    return _text(value) in [_text(one) for one in wanted]


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        value = value.get("value", value.get("name", value.get("id")))
    return "" if value is None else str(value).casefold()


def _any_text(matches: Callable[[str, str], bool]) -> Callable[[Any, list[Any]], bool]:
    return lambda value, wanted: any(matches(_text(value), _text(one)) for one in wanted)


def _between(value: Any, wanted: list[Any]) -> bool:
    low, high = wanted[:1], wanted[1:2]
    return bool(high) and _compared(operator.ge)(value, low) and _compared(operator.le)(value, high)


_contains = _any_text(lambda value, one: one in value)
_greater, _lesser = _compared(operator.gt), _compared(operator.lt)
_at_least, _at_most = _compared(operator.ge), _compared(operator.le)

CONDITIONS: dict[str, Callable[[Any, list[Any]], bool]] = {
    "is": _is,
    "eq": _is,
    "is not": lambda value, wanted: not _is(value, wanted),
    "neq": lambda value, wanted: not _is(value, wanted),
    "contains": _contains,
    "like": _contains,
    "not contains": lambda value, wanted: not _contains(value, wanted),
    "starts with": _any_text(str.startswith),
    "ends with": _any_text(str.endswith),
    "greater than": _greater,
    "gt": _greater,
    "lesser than": _lesser,
    "less than": _lesser,
    "lt": _lesser,
    "greater or equal": _at_least,
    "gte": _at_least,
    "lesser or equal": _at_most,
    "lte": _at_most,
    "between": _between,
}


def matches(record: Record, criteria: Any, depth: int = 0) -> bool:
    """Whether a record meets search criteria: one criterion, or a list of them joined by each one's `logical_operator`."""
    if depth > DEEPEST_CRITERIA:
        raise invalid(f"search_criteria are nested deeper than {DEEPEST_CRITERIA}", "search_criteria")
    if isinstance(criteria, list):
        return _joined(record, None, criteria, depth)
    if not isinstance(criteria, Mapping):
        raise invalid("search_criteria is neither an object nor an array", "search_criteria")
    return _joined(record, _meets(record, criteria), criteria.get("children") or [], depth)


def _joined(record: Record, result: bool | None, criteria: Sequence[Any], depth: int) -> bool:
    for criterion in criteria:
        one = matches(record, criterion, depth + 1)
        if result is None:
            result = one
        elif str(criterion.get("logical_operator", "AND")).upper() == "OR":
            result = result or one
        else:
            result = result and one
    return True if result is None else result


def _meets(record: Record, criterion: Mapping[str, Any]) -> bool:
    field = criterion.get("field")
    condition = CONDITIONS.get(str(criterion.get("condition", "is")).lower())
    if not isinstance(field, str) or condition is None:
        raise invalid(f"Unknown field or condition: {criterion}", "search_criteria")
    wanted = criterion["values"] if "values" in criterion else [criterion.get("value")]
    if not isinstance(wanted, list) or not wanted:
        raise invalid("values is no array, or empty", "search_criteria")
    return condition(value_at(record, field), wanted)


def page_of(records: Iterable[Record], list_info: Any) -> Page:
    """The page that `list_info` asks for. Raises Refusal for a row_count above 100 and for criteria that make no sense."""
    if not isinstance(list_info, Mapping):
        raise invalid("list_info is no object", "list_info")
    start = _whole(list_info, "start_index", 1, low=1)
    count = _whole(list_info, "row_count", USUAL_ROWS, low=1, high=MOST_ROWS)
    criteria = list_info.get("search_criteria")
    found = [record for record in records if not criteria or matches(record, criteria)]
    sort_field, order = list_info.get("sort_field"), str(list_info.get("sort_order", "asc"))
    if sort_field:
        found.sort(key=lambda record: _sort_key(value_at(record, str(sort_field))), reverse=order.lower() == "desc")
    rows = found[start - 1 : start - 1 + count]
    info: dict[str, Any] = {
        "has_more_rows": start - 1 + count < len(found),
        "start_index": start,
        "row_count": len(rows),
    }
    if sort_field:
        info |= {"sort_field": sort_field, "sort_order": order}
    if list_info.get("get_total_count"):
        info["total_count"] = len(found)
    return Page(rows, info)


def _sort_key(value: Any) -> tuple[int, float, str]:
    number = _number(value)
    return (1, 0.0, _text(value)) if number is None else (0, number, "")


def _whole(list_info: Mapping[str, Any], name: str, default: int, *, low: int, high: int = 10_000_000) -> int:
    value = list_info.get(name, default)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise invalid(f"{name} is not a whole number from {low} to {high}", name)
    return value
