"""Who logs in with a DSN."""

from __future__ import annotations

import pytest

from infra.runtime.postgres.dsn import as_role, with_password


def test_a_role_takes_anothers_place() -> None:
    unix = as_role("postgresql://postgres:p@/ticketstream?host=/tmp/x", "ticketstream_enrich", "a/b")
    tcp = as_role("postgresql://admin:p%40@db.example:5432/ts?sslmode=require", "ticketstream_enrich", "s")

    assert unix == "postgresql://ticketstream_enrich:a%2Fb@/ticketstream?host=/tmp/x"
    assert tcp == "postgresql://ticketstream_enrich:s@db.example:5432/ts?sslmode=require"


@pytest.mark.parametrize(
    ("dsn", "same"),
    [
        ("postgresql://ts%40a@db/t?sslmode=require", "postgresql://ts%40a:p%2Fq@db/t?sslmode=require"),
        ("postgresql://ts:@db/t", "postgresql://ts:p%2Fq@db/t"),
        ("postgresql://ts:pa55@db/t", "postgresql://ts:pa55@db/t"),
        ("postgresql://db/t", "postgresql://db/t"),
        ("postgresql:///t?host=/tmp/x", "postgresql:///t?host=/tmp/x"),
    ],
)
def test_a_password_is_put_in_where_a_role_has_none(dsn: str, same: str) -> None:
    assert with_password(dsn, "p/q") == same
