"""What became of one ticket: from Kafka, PostgreSQL and the desk itself, with the most likely root cause and what to do next.

Reads only, one tenant's partition only, and never a whole topic: PostgreSQL's rows say where and when a ticket's events were
written, and only what no row tells yet is searched for, within a time. A source that is away is named as missing.
"""

from infra.ops.investigate.investigate import investigate
from infra.ops.investigate.investigation import Investigation
from infra.ops.investigate.sources import Sources

__all__ = ["Investigation", "Sources", "investigate"]
