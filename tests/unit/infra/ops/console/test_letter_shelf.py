"""The copy of the dead letters: bounded by tenant, shown newest first, and only those of a person's tenants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from infra.ops.console.pages.letter_shelf import MOST_OF_A_TENANT, MOST_TENANTS, Entry, Shelf, Wanted

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)


def entry(tenant: str, minute: int, *, reason: str = "internal_error", ticket: str = "1") -> Entry:
    at = NOW + timedelta(minutes=minute)
    return Entry(at, tenant, ticket, "deliver", reason, "why", f"id-{minute}", f"0:{minute}", 5)


def shelf(*entries: Entry) -> Shelf:
    found = Shelf()
    for one in entries:
        found.put(one)
    return found


def minutes(found: list[Entry]) -> list[int]:
    return [int(one.place.partition(":")[2]) for one in found]


def test_the_newest_of_all_tenants_come_first_a_page_at_a_time() -> None:
    found = shelf(entry("a", 1), entry("b", 2), entry("a", 3), entry("b", 4))
    assert minutes(found.newest(Wanted(), None, 2)) == [4, 3]
    assert minutes(found.newest(Wanted(), None, 2, skip=2)) == [2, 1]


def test_letters_of_no_tenant_are_only_for_who_may_touch_all() -> None:
    found = shelf(entry("", 1), entry("a", 2), entry("b", 3))
    assert minutes(found.newest(Wanted(), None, 9)) == [3, 2, 1]
    assert minutes(found.newest(Wanted(), {"a"}, 9)) == [2]
    assert minutes(found.newest(Wanted("b"), {"a"}, 9)) == []


def test_a_filter_takes_what_it_means() -> None:
    found = shelf(entry("a", 1), entry("a", 2, reason="note_refused"), entry("a", 3, ticket="7"))
    assert minutes(found.newest(Wanted(reason="note_refused"), None, 9)) == [2]
    assert minutes(found.newest(Wanted(ticket_id="7"), None, 9)) == [3]
    assert minutes(
        found.newest(Wanted(since=NOW + timedelta(minutes=2), until=NOW + timedelta(minutes=3)), None, 9)
    ) == [2]


def test_one_tenants_flood_pushes_out_only_its_own() -> None:
    found = shelf(entry("calm", 0), *(entry("flood", number) for number in range(MOST_OF_A_TENANT + 50)))
    assert len(found.by_tenant["flood"]) == MOST_OF_A_TENANT
    assert minutes(found.newest(Wanted("calm"), None, 9)) == [0]


def test_of_too_many_tenants_the_one_that_is_quiet_for_longest_goes() -> None:
    found = shelf(*(entry(f"t{number}", number) for number in range(MOST_TENANTS + 1)))
    assert len(found.by_tenant) == MOST_TENANTS
    assert "t0" not in found.by_tenant
