"""A desk that doesn't list as it was asked is not believed: its old tickets would be taken for new ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from schemas.reasons import Reason
from schemas.times import to_milliseconds
from sinks.servicedesk.answers import Success
from sinks.servicedesk.client import DeskClient, Operation
from sinks.servicedesk.listing import Cursor, Page, ServiceDeskListing
from sinks.servicedesk.types import DeskAccount, DeskForm, Refused

SINCE = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


class Client:
    """A client whose desk always gives these fields."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields, self.asked = fields, list[Operation]()

    async def account(self, tenant_id: str) -> DeskAccount:
        return DeskAccount(tenant_id, "https://desk.example", DeskForm.ONPREM, "key")

    async def read(self, account: DeskAccount, operation: Operation) -> Success:
        self.asked.append(operation)
        return Success(self.fields)


async def page_of(fields: Mapping[str, Any]) -> Page | Refused:
    return await ServiceDeskListing(cast(DeskClient, Client(fields))).page("t", Cursor(SINCE))


def row(ticket_id: object, minutes: float) -> dict[str, Any]:
    created = to_milliseconds(SINCE + timedelta(minutes=minutes))
    return {"id": ticket_id, "created_time": {"value": str(created)}}


async def test_the_call_asks_for_at_most_100_rows_sorted_from_that_time() -> None:
    client = Client({"requests": []})
    await ServiceDeskListing(cast(DeskClient, client)).page("t", Cursor(SINCE, 100))
    assert client.asked[0].data is not None
    assert client.asked[0].data["list_info"] == {
        "row_count": 100,
        "start_index": 101,
        "sort_field": "created_time",
        "sort_order": "asc",
        "search_criteria": [{"field": "created_time", "condition": "greater or equal", "value": "1795165200000"}],
    }


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([row("1", 5), row("2", 4)], "isn't sorted"),
        ([row("1", -2), row("2", 4)], "ignores search_criteria"),
    ],
)
async def test_a_list_that_is_not_as_asked_is_refused(rows: list[dict[str, Any]], told: str) -> None:
    refused = await page_of({"requests": rows})
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.DESK_UNAVAILABLE
    assert told in refused.detail


async def test_a_time_that_the_desk_rounded_is_no_reason_to_refuse() -> None:
    page = await page_of({"requests": [row("1", -0.5)]})
    assert isinstance(page, Page)
    assert len(page.tickets) == 1


@pytest.mark.parametrize("requests", [None, {}, "none"])
async def test_an_answer_without_a_list_is_refused(requests: object) -> None:
    assert isinstance(await page_of({"requests": requests}), Refused)


async def test_a_page_of_rows_nobody_can_read_is_passed_over() -> None:
    page = await page_of(
        {"requests": [{"id": 1}, "row", row("..", 1), row(True, 1)], "list_info": {"has_more_rows": True}}
    )
    assert page == Page((), Cursor(SINCE, 4), unreadable=4)


async def test_an_empty_page_is_the_last_whatever_it_says() -> None:
    assert await page_of({"requests": [], "list_info": {"has_more_rows": True}}) == Page((), None)
