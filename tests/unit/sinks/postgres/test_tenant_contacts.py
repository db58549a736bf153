"""Contacts as they are typed in."""

from __future__ import annotations

import pytest

from sinks.postgres.tenant_contacts import Contact, ContactKind, parse_contact, parse_contacts
from sinks.postgres.tenant_settings import BadSetting


@pytest.mark.parametrize(
    ("text", "contact"),
    [
        ("Jo Doe <jo.doe@customer.example> +49 30 1234", Contact("Jo Doe", "jo.doe@customer.example", "+49 30 1234")),
        ("  Zoë O'Neil<z@a-b.example>  (030) 12/34 ", Contact("Zoë O'Neil", "z@a-b.example", "(030) 12/34")),
        ("Łukasz <l+desk@a.example>0301234", Contact("Łukasz", "l+desk@a.example", "0301234")),
    ],
)
def test_a_contact_is_read_from_a_line(text: str, contact: Contact) -> None:
    assert parse_contact(text) == contact
    assert parse_contact(contact.line) == contact


@pytest.mark.parametrize(
    "text",
    [
        "Jo Doe", "Jo <jo@customer.example>", "<jo@customer.example> 110", "Jo <jo@customer> 110", "Jo <a@b@c.example> 110",
        "Jo <jo@customer.example> call me", "Jo\x07 <jo@customer.example> 110", "J" * 101 + " <jo@customer.example> 110",
        "Jo <jo@customer.example> " + "1" * 40, "Jo <" + "j" * 250 + "@customer.example> 110", "Jo\n<jo@customer.example>",
    ],
)  # fmt: skip
def test_what_is_no_contact_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(BadSetting) as refused:
        parse_contact(text)
    assert "<jo@" not in str(refused.value).replace("<jo.doe@customer.example>", "")


def test_kinds_are_the_three_and_an_empty_text_takes_away() -> None:
    assert parse_contacts({"executive": ""}) == {ContactKind.EXECUTIVE: None}
    with pytest.raises(BadSetting, match="technical, executive, sdp_administrator"):
        parse_contacts({"cook": "Jo <jo@customer.example> 110"})
    with pytest.raises(BadSetting, match="technical: "):
        parse_contacts({"technical": "nobody"})


def test_a_contact_says_nothing_of_itself_in_a_log() -> None:
    assert "Doe" not in repr(Contact("Jo Doe", "jo.doe@customer.example", "110"))
