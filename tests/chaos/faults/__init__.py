"""faults: what goes wrong, by name. A fault undoes itself and says in a few words what it did."""

from tests.chaos.faults.desks import DESKS, PATIENT_DESKS
from tests.chaos.faults.kinds import Strike
from tests.chaos.faults.models import MODELS, PATIENT_MODELS
from tests.chaos.faults.processes import KILLS, LONG_PROCESSES
from tests.chaos.faults.servers import DATABASES, EDGES, KAFKAS, LONG_SERVERS
from tests.chaos.faults.webhooks import WEBHOOKS

FAULTS: dict[str, Strike] = {
    **KILLS, **LONG_PROCESSES, **KAFKAS, **DATABASES, **EDGES, **LONG_SERVERS, **DESKS, **PATIENT_DESKS,
    **MODELS, **PATIENT_MODELS, **WEBHOOKS,
}  # fmt: skip
SHORT: tuple[tuple[tuple[str, ...], int], ...] = (
    (tuple(KILLS), 3),
    (tuple(KAFKAS), 1),
    (tuple(DATABASES), 1),
    (tuple(EDGES), 1),
    (tuple(DESKS), 2),
    (tuple(MODELS), 2),
    (tuple(WEBHOOKS), 1),
)
"""Families of faults that are over within seconds, and how many of each a short run draws."""

__all__ = ["FAULTS", "SHORT", "Strike"]
