"""How an investigation is told: for scripts, for people, and as the summary that is pasted for a client."""

from __future__ import annotations

import json
from datetime import timedelta

from infra.ops.investigate import Investigation
from infra.ops.investigate.causes import root_cause
from infra.ops.investigate.facts import Facts, Found, Gathered, Opinion
from infra.runtime.stream.record import Position
from schemas.events import FeedbackType
from sinks.postgres.tenant_contacts import Contact, ContactKind
from tests.unit.infra.ops.investigate.made_facts import (
    CAME,
    ENRICHED,
    EVENT,
    TRACE,
    admitted,
    content,
    facts,
    letter,
    on_the_way,
    refusal,
    unheard_of,
)

CONTRACT = {
    "tenant_id", "ticket_id", "events", "status", "where", "root_cause", "next_command", "note_id", "trace_id", "feedback",
}  # fmt: skip
CONTEXT = Gathered(
    Found(Position("tickets.enriched", 7, 33), ENRICHED, CAME, TRACE, copies=(35,)),
    EVENT,
    CAME + timedelta(seconds=2),
    {"docs": 3, "ticket_history": 2},
    {"ip_data": "took longer than 3 s"},
    {"total": 412},
)


def told(given: Facts) -> Investigation:
    return Investigation(given, root_cause(given))


def test_scripts_get_what_the_contract_promises() -> None:
    said = json.loads(json.dumps(told(facts(gathered=(CONTEXT,))).as_json()))

    assert said.keys() >= CONTRACT
    assert (said["status"], said["note_id"], said["trace_id"]) == ("answered", "501", TRACE)
    assert said["sources"] == {
        "answered": {"docs": 3, "ticket_history": 2},
        "missing": {"ip_data": "took longer than 3 s"},
    }
    assert all(
        one.keys() == {"at", "stage", "what", "topic", "partition", "offset", "detail"} for one in said["events"]
    )
    received, queued, *_ = said["events"]
    assert (received["what"], queued["what"]) == ("received", "queued")
    assert (queued["topic"], queued["partition"], queued["offset"]) == ("tickets.received", 7, 40)
    assert "msg_1" in received["detail"] and "verified" in received["detail"]


def test_what_happened_stands_in_the_order_of_time() -> None:
    given = facts(
        gathered=(CONTEXT,),
        opinions=(Opinion(CAME + timedelta(hours=1), FeedbackType.RATING, 4, commented=True),),
        letters=(letter("internal_error", last_failed_at=CAME + timedelta(seconds=5)),),
    )

    happened = told(given).timeline

    times = [one.at for one in happened if one.at]
    assert times == sorted(times)
    what = [one.what for one in happened]
    assert what.index("received") < what.index("context gathered") < what.index("note written")
    assert what.index("dead letter") < what.index("note on the ticket") < what.index("rating 4 of 5")


def test_a_record_that_was_written_twice_is_told() -> None:
    assert "written 2 times, also at 35" in told(facts(gathered=(CONTEXT,))).as_text()


def test_the_summary_has_four_findings_root_cause_resolution_and_follow_up() -> None:
    summary = told(facts(gathered=(CONTEXT,))).as_markdown()

    lines = summary.splitlines()
    assert [line[:4] for line in lines if line[:1] in set("1234")] == ["1. ✓", "2. ✓", "3. ✓", "4. ✓"]
    for part in ("**Root cause:**", "**Resolution:**", "**Follow-up:**", "**Trace id:**"):
        assert part in summary


def test_the_findings_of_a_ticket_that_never_came_are_all_bad() -> None:
    summary = told(unheard_of(refusals=(refusal("stale", seconds_off=-900),))).as_markdown()

    assert [line[:4] for line in summary.splitlines() if line[:1] in set("1234")] == ["1. ✗", "2. ✗", "3. ✗", "4. ✗"]
    assert "900 s behind" in summary


def test_what_is_away_is_named_and_leaves_findings_open() -> None:
    found = told(unheard_of(tenant=None, missing={"postgres": "no answer", "kafka": "no brokers"}))

    assert "? Webhook received" in found.as_text()
    assert "Missing     kafka: no brokers" in found.as_text()
    assert found.as_json()["missing"] == {"postgres": "no answer", "kafka": "no brokers"}


def test_a_note_that_could_not_be_looked_for_is_not_said_to_be_there() -> None:
    assert "couldn't be asked" in told(facts(desk=None)).as_markdown()


def test_others_words_are_no_markup() -> None:
    summary = told(on_the_way(subject="[x](http://evil) <b>", letters=(letter("internal_error", error="`rm` | <i>"),)))

    assert "[x](" not in summary.as_markdown() and "<b>" not in summary.as_markdown()
    assert "<i>" not in summary.as_markdown()


def test_contacts_and_feedback_are_told() -> None:
    found = told(
        facts(
            contacts={ContactKind.TECHNICAL: Contact("Jo Doe", "jo.doe@customer.example", "+49 30 1234")},
            opinions=(Opinion(CAME, FeedbackType.THUMBS_UP, None, commented=False),),
        )
    )

    assert "technical: Jo Doe <jo.doe@customer.example> +49 30 1234" in found.as_text()
    assert "thumbs up" in found.as_text() and "thumbs up" in found.as_markdown()
    assert found.as_json()["feedback"][0]["feedback_type"] == "thumbs_up"


def test_model_tokens_and_cost_are_told() -> None:
    of_model = content(
        writer="model", model="gpt-4-turbo", prompt_tokens=900, completion_tokens=600, cost_usd=0.0421, degraded=None
    )
    found = told(facts(contents=(of_model,)))

    assert "model gpt-4-turbo, 1500 tokens, $0.0421" in found.as_markdown().replace("\\", "")
    assert (found.as_json()["tokens"], found.as_json()["cost_usd"]) == (1500, 0.0421)


def test_an_unsigned_webhook_is_not_said_to_be_signed() -> None:
    found = told(facts(arrivals=(admitted(kind="announced"),)))

    assert "unsigned webhook by its bearer secret" in found.as_text()
    assert "signature verified" not in found.findings[0].detail
