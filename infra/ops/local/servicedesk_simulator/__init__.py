"""A ServiceDesk Plus REST v3 stand-in: many desks in one process, faults on demand, a ledger of every note ever written."""

from infra.ops.local.servicedesk_simulator.control import SimulatorControl
from infra.ops.local.servicedesk_simulator.server import Simulator
from infra.ops.local.servicedesk_simulator.settings import DeskFault, DeskSettings, Quirks, RateLimit, WebhookTarget

__all__ = ["DeskFault", "DeskSettings", "Quirks", "RateLimit", "Simulator", "SimulatorControl", "WebhookTarget"]
