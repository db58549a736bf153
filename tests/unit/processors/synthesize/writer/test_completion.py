"""What came of a call, as a value: every failure has its own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from processors.synthesize.writer.completion import Completion, failure, read, retry_after, usage
from processors.synthesize.writer.models import litellm_name
from processors.synthesize.writer.writer import WriterRefused, WriterUnavailable
from schemas.events import Usage
from schemas.reasons import Reason


def error(status: int | None, headers: dict[str, str] | None = None) -> Exception:
    made = RuntimeError("the prompt, repeated")
    made.status_code = status  # type: ignore[attr-defined]
    made.litellm_response_headers = headers  # type: ignore[attr-defined]
    return made


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422])
def test_what_waiting_does_not_mend_is_refused(status: int) -> None:
    assert isinstance(failure(error(status)), WriterRefused)


@pytest.mark.parametrize("status", [200, 408, 500, 502, 503, 529, None])
def test_what_may_pass_is_unavailable(status: int | None) -> None:
    result = failure(error(status))
    assert isinstance(result, WriterUnavailable)
    assert (result.reason, result.retry_after) == (Reason.MODEL_UNAVAILABLE, 5.0)
    assert "prompt" not in result.detail


def test_a_rate_limit_waits_as_long_as_the_provider_says() -> None:
    result = failure(error(429, {"Retry-After": "17"}))
    assert result == WriterUnavailable(Reason.MODEL_RATE_LIMITED, 17.0, "too many requests (429)")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 1.0),
        ("86400", 300.0),
        ("Wed, 21 Oct 2026 07:28:41 GMT", 41.0),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 1.0),
        ("next week", 9.0),
        ("", 9.0),
        ("nan", 9.0),
        ("inf", 9.0),
    ],
)
def test_retry_after_is_bounded_and_a_date_is_held_against_the_answers_own(value: str, seconds: float) -> None:
    assert retry_after({"retry-after": value, "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 9.0) == seconds
    assert retry_after(None, 9.0) == 9.0


def response(text: object, finish: str = "stop", **used: object) -> SimpleNamespace:
    choice = SimpleNamespace(message=SimpleNamespace(content=text), finish_reason=finish)
    return SimpleNamespace(choices=[choice], usage=SimpleNamespace(**used))


@pytest.mark.parametrize("bad", [response(None), response("  "), SimpleNamespace(choices=[]), SimpleNamespace()])
def test_an_answer_without_text_is_unavailable(bad: object) -> None:
    assert isinstance(read(bad), WriterUnavailable)


def test_an_answer_that_was_cut_off_loses_its_last_line() -> None:
    assert read(response("one\ntwo\nthr", "length")) == Completion("one\ntwo", Usage(), True)


def test_the_cost_is_the_providers_own_or_none() -> None:
    assert usage(response("x", prompt_tokens=9, completion_tokens=3, cost=0.02)) == Usage(9, 3, 0.02)
    assert usage(response("x", prompt_tokens=None, cost=float("nan"))) == Usage(0, 0, None)


def test_numbers_that_no_column_holds_are_bounded() -> None:
    assert usage(response("x", prompt_tokens=10**12, completion_tokens=-1, cost=10**400)) == Usage(
        2**31 - 1, 0, 1_000.0
    )
    for cost in (float("inf"), float("nan"), -1, True, "0.02"):
        assert usage(response("x", cost=cost)).cost_usd is None


def test_half_of_a_surrogate_pair_becomes_a_question_mark() -> None:
    result = read(response("caf\ud83d and \U0001f600"))
    assert isinstance(result, Completion)
    assert result.text == "caf? and \U0001f600"
    assert result.text.encode()


def test_only_listed_models_have_a_name() -> None:
    assert litellm_name("gpt-4-turbo") == "openrouter/openai/gpt-4-turbo"
    assert litellm_name("openrouter/evil/model") is None
