"""Which worker owns which partition, so that the tenants are shared out evenly and not only the partitions.

Tenants take the lowest free partition numbers, and a topic has more partitions than tenants: whoever has an even share of all
numbers may still have most of the tenants, or none. Faust's own assignor takes the lowest numbers from those who have too many and
gives them to who comes new: with 24 tenants on 64 partitions a third worker gets 20 of them, beside 2 and 2.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence


def shared_out(members: Sequence[str], owned: Mapping[str, Collection[int]], partitions: int) -> dict[str, list[int]]:
    """The partitions of each member, in order. Among the lowest k of them, whatever k is, nobody has more than their share, rounded
    up. A partition stays with who owned it where that allows it."""
    owner = {number: member for member in reversed(members) for number in owned.get(member, ())}
    shares: dict[str, list[int]] = {member: [] for member in members}
    for number in range(partitions):
        most = -(-(number + 1) // len(members))
        chosen = owner.get(number)
        if chosen is None or len(shares[chosen]) >= most:
            chosen = min(members, key=lambda member: len(shares[member]))
        shares[chosen].append(number)
    return shares
