"""How a group's partitions are shared out: as Faust does, but so that the tenants are shared out evenly, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faust.assignor.client_assignment import ClientAssignment
from faust.assignor.partition_assignor import PartitionAssignor

from infra.runtime.stream.sharing import shared_out


class TenantAssignor(PartitionAssignor):
    """Runs in the member that Kafka chose to lead the group; what it says the others take over without looking, so members with
    and without it can be in one group, as during an update. Source: Faust 0.15.3, `PartitionAssignor._perform_assignment`, without
    what is for tables, of which there are none here."""

    def _perform_assignment(self, cluster: Any, member_metadata: Mapping[str, Any]) -> Any:
        known = {member: self._get_client_metadata(metadata) for member, metadata in member_metadata.items()}
        self._update_member_urls(known)
        assignments = {member: ClientAssignment(actives={}, standbys={}) for member in known}
        subscribed: dict[str, list[str]] = {}
        for member in sorted(member_metadata):
            for topic in member_metadata[member].subscription:
                subscribed.setdefault(topic, []).append(member)
        for topic, members in subscribed.items():
            owned = {member: known[member].assignment.actives.get(topic, []) for member in members}
            shares = shared_out(members, owned, len(cluster.partitions_for_topic(topic) or ()))
            for member, partitions in shares.items():
                if partitions:
                    assignments[member].actives[topic] = partitions
        everywhere = self._get_external_topic_distribution(assignments)
        return self._protocol_assignments(assignments, {}, everywhere, dict.fromkeys(subscribed, 0))
