"""Which passwords the migrator gives to the services' roles."""

from __future__ import annotations

from infra.ops.cli.commands.database import role_passwords

DSN = "postgresql://ticketstream_enrich:s%40lt@db/ticketstream"


def test_a_services_own_dsn_holds_its_password() -> None:
    assert role_passwords({"DATABASE_URL_ENRICH": DSN}) == {"ticketstream_enrich": "s@lt"}


def test_the_variable_made_for_it_comes_first() -> None:
    named = {"DATABASE_URL_ENRICH": DSN, "TICKETSTREAM_ROLE_PASSWORD_ENRICH": "pepper"}
    assert role_passwords(named) == {"ticketstream_enrich": "pepper"}


def test_another_roles_dsn_and_one_without_a_password_set_nothing() -> None:
    assert (
        role_passwords({"DATABASE_URL_DELIVER": DSN, "DATABASE_URL_ENRICH": "postgresql://ticketstream_enrich@db/x"})
        == {}
    )
