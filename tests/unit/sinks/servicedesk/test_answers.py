"""What a desk's answers mean."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.reasons import Reason
from sinks.servicedesk.answers import Success, read_answer, retry_after_seconds
from sinks.servicedesk.transport import Answered
from sinks.servicedesk.types import Refused, Unknown

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def answer(body: Any, status: int = 200, retry_after: str | None = None) -> Success | Refused | Unknown:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_answer(Answered(status, raw, "application/json", retry_after), now=NOW)


def failure(*codes: int, status: Any = "failed") -> dict[str, Any]:
    messages = [{"status_code": code, "message": "no", "type": "failed"} for code in codes]
    return {"response_status": {"status_code": 4000, "status": status, "messages": messages}}


@pytest.mark.parametrize(
    "status",
    [
        {"status_code": 2000, "status": "success"},
        [{"status_code": 2000, "status": "success"}],
        {"status_code": "2000"},
        {"status_code": 2000, "status": "Success"},
        {"status_code": 2000, "status": "success", "messages": [{"status_code": 7777, "type": "warning"}]},
    ],
)
def test_success_as_object_or_array_leaves_the_fields(status: Any) -> None:
    assert answer({"response_status": status, "note": {"id": "1"}}) == Success({"note": {"id": "1"}})


@pytest.mark.parametrize("http_status", [200, 400])
@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        ((4022,), Reason.DESK_CREDENTIAL_REFUSED),
        ((4015,), Reason.DESK_RATE_LIMITED),
        ((4007,), Reason.TICKET_DELETED),
        ((4002,), Reason.DESK_CREDENTIAL_REFUSED),
        ((7001,), Reason.DESK_UNAVAILABLE),
        ((4001,), Reason.DESK_REFUSED),
        ((4008,), Reason.DESK_REFUSED),
        ((4012,), Reason.DESK_REFUSED),
        ((4021,), Reason.DESK_REFUSED),
        ((), Reason.DESK_REFUSED),
        ((4001, 4022), Reason.DESK_CREDENTIAL_REFUSED),
        ((4001, 4015), Reason.DESK_RATE_LIMITED),
    ],
)
def test_the_desks_code_decides_whatever_the_http_status(
    http_status: int, codes: tuple[int, ...], reason: Reason
) -> None:
    result = answer(failure(*codes), http_status)
    assert isinstance(result, Refused)
    assert result.reason is reason


@pytest.mark.parametrize("http_status", [200, 500])
def test_an_internal_error_of_the_desk_may_have_written(http_status: int) -> None:
    assert isinstance(answer(failure(4004), http_status), Unknown)


@pytest.mark.parametrize(
    ("http_status", "reason", "ticket_only"),
    [
        (401, Reason.DESK_CREDENTIAL_REFUSED, False),
        (403, Reason.DESK_CREDENTIAL_REFUSED, True),
        (404, Reason.DESK_UNAVAILABLE, False),
    ],
)
def test_where_the_code_says_only_that_it_failed_the_http_status_decides(
    http_status: int, reason: Reason, ticket_only: bool
) -> None:
    result = answer(failure(), http_status)
    assert isinstance(result, Refused)
    assert (result.reason, result.ticket_only) == (reason, ticket_only)
    assert f"HTTP {http_status}, and the desk says 4000" in result.detail
    assert isinstance(answer(failure(), 408), Unknown)


def test_a_code_that_says_more_decides_whatever_the_http_status() -> None:
    result = answer(failure(4001), 401)
    assert isinstance(result, Refused)
    assert result.reason is Reason.DESK_REFUSED


@pytest.mark.parametrize("word", ["Failed", "failure", "", " ", 0, False, "successful"])
def test_a_2000_beside_any_word_but_success_is_no_success(word: Any) -> None:
    assert isinstance(answer({"response_status": {"status_code": 2000, "status": word}}), Refused)


def test_no_permission_concerns_this_ticket_only() -> None:
    result = answer(failure(4002), 403)
    assert isinstance(result, Refused)
    assert result.ticket_only


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b"null", b'{"response_status":', b"[" * 100_000, {"response_status": 7}, b"\xff"],
)
def test_a_200_that_does_not_say_success_is_unknown(body: Any) -> None:
    assert isinstance(answer(body), Unknown)


@pytest.mark.parametrize("status", [301, 302, 408, 500, 502, 503, 504])
def test_what_stands_between_us_and_the_desk_may_have_let_the_call_through(status: int) -> None:
    assert isinstance(answer(b"<html>", status), Unknown)
    assert isinstance(answer({"response_status": {"status_code": 2000, "status": "success"}}, status), Unknown)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, Reason.DESK_REFUSED),
        (401, Reason.DESK_CREDENTIAL_REFUSED),
        (403, Reason.DESK_CREDENTIAL_REFUSED),
        (404, Reason.DESK_UNAVAILABLE),
        (413, Reason.DESK_REFUSED),
        (429, Reason.DESK_RATE_LIMITED),
    ],
)
def test_without_the_desks_words_the_http_status_decides(status: int, reason: Reason) -> None:
    result = answer(b"<html>", status)
    assert isinstance(result, Refused)
    assert result.reason is reason


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 1.0),
        ("999999999999999999999", 3600.0),
        ("Fri, 20 Nov 2026 09:02:00 GMT", 120.0),
        ("Fri, 20 Nov 2026 08:00:00 GMT", 1.0),
        ("Fri, 20 Nov 2099 08:00:00 GMT", 3600.0),
        ("soon", None),
        ("-3", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_bounded(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, now=NOW) == seconds


_dates = st.lists(
    st.one_of(
        st.sampled_from(
            ["Fri,", "Nov", "jan", "GMT", "EST", "pm", ":", "-", "+", ",", ".", "0", "-0000", "+2359", "12:34:56"]
        ),
        st.integers(-(10**20), 10**20).map(str),
        st.integers(0, 10**20).map("+{}".format),
        st.text(max_size=4),
    ),
    max_size=8,
).map(" ".join)
_almost_dates = st.builds(
    "{} {} {} {}:{}:{} {}".format,
    st.integers(-1, 40), st.sampled_from(["Jan", "Feb", "Dec"]), st.integers(-1, 10**5), st.integers(0, 30),
    st.integers(0, 70), st.integers(0, 70), st.integers(-(10**18), 10**18).map("{:+05d}".format),
)  # fmt: skip


@given(st.one_of(st.text(max_size=40), _dates, _almost_dates))
@example("1 Jan 2020 00:00:00 +99999999999999")
@example("1 Jan 2020 00:00:00 -99999999999999")
@example("Sat, 01 Jan 0001 00:00:00 +2359")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
def test_whatever_stands_in_retry_after_it_is_a_bounded_wait_or_none(header: str) -> None:
    seconds = retry_after_seconds(header, now=NOW)
    assert seconds is None or 1.0 <= seconds <= 3600.0


def test_the_desks_words_are_cut_and_hold_no_control_characters() -> None:
    body = failure(4001)
    body["response_status"]["messages"][0]["message"] = "a\n\x1b[31m" + "x" * 5000
    result = answer(body, 400)
    assert isinstance(result, Refused)
    assert len(result.detail) < 400
    assert result.detail.isprintable()
