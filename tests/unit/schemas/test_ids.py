"""Ids are stored in topics and tables and derived by others: vectors that were computed once, apart from this code."""

from __future__ import annotations

from itertools import combinations

import pytest

from schemas import ids

INPUT = "0b7e5c1e-4f56-5a9e-9a6a-6f3a4d5b8c01"


def test_fixed_vectors() -> None:
    tenant = "msp-acme-corp"
    assert ids.of_webhook(tenant, "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W") == "3fe84a5a-a3bf-5e18-a853-1489fbe273a9"
    bearer = ids.of_bearer_webhook(tenant, "10042", "1767225600000", b'{"request":{}}')
    assert bearer == "d96d2a88-bda0-5c53-884e-b1cf5b23c50c"
    assert ids.of_reconciled(tenant, "10042", "ab" * 32) == "74e14149-d742-560a-a5eb-7c9b6316218d"
    assert ids.of_output(INPUT, "enrich") == "90df5c59-5869-5e20-87b6-d8de88a383de"
    assert ids.of_replayed(INPUT, "run-7") == "701d9d74-c0dd-5340-b476-cfc95aaa1d98"


@pytest.mark.parametrize("parts", [("a\0b",), ("a", "b\0"), ("\0",)])
def test_nul_is_refused_since_two_names_could_be_one(parts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="NUL"):
        ids.derive(*parts)


def test_other_parts_give_other_ids() -> None:
    names = (("a", "bc"), ("ab", "c"), ("abc",), ("a", "b", "c"), ("a", "bc", ""), ("", "a", "bc"), ("bc", "a"))
    assert len({ids.derive(*name) for name in names}) == len(names)


def test_every_kind_of_event_has_its_own_id() -> None:
    made = (
        ids.of_webhook("t", "1"),
        ids.of_bearer_webhook("t", "1", "2", b""),
        ids.of_bearer_webhook("t", "1", "2", b"x"),
        ids.of_reconciled("t", "1", "h"),
        ids.of_output(INPUT, "enrich"),
        ids.of_output(INPUT, "synthesize"),
    )
    assert all(a != b for a, b in combinations(made, 2))
