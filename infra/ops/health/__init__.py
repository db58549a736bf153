"""health: is everything well now? The customer's five-minute check, for a person, in five seconds.

finding   what one check found: ✓, ✗ with the next command, or – for what can't be known from here
looking   what checks work with: addresses, one HTTP session, one pool, and who looks
checks/   processes, backlog, held tenants, database, edge, recent errors, alerts: a module each
checking  all of them at once, each with its deadline
"""

from infra.ops.health.checking import check_health
from infra.ops.health.finding import Finding, Health, Status

__all__ = ["Finding", "Health", "Status", "check_health"]
