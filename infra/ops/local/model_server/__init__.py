"""An OpenAI-compatible model server for one machine: deterministic notes, faults on demand, a ledger of every call."""

from infra.ops.local.model_server.control import ModelControl
from infra.ops.local.model_server.server import ModelServer
from infra.ops.local.model_server.settings import ModelFault, ModelSettings

__all__ = ["ModelControl", "ModelFault", "ModelServer", "ModelSettings"]
