"""stack: everything on one machine, under supervision: Kafka, PostgreSQL, the services, their secrets and their addresses."""

from infra.ops.local.stack.endpoints import Endpoints, NoStack, operator_environment, read_endpoints
from infra.ops.local.stack.errors import StackFailed, WrongSetting
from infra.ops.local.stack.lock import StateDirInUse
from infra.ops.local.stack.options import StackOptions, WantedPorts
from infra.ops.local.stack.stack import LocalStack
from infra.ops.local.stack.up import run_up

__all__ = ["Endpoints", "LocalStack", "NoStack", "StackFailed", "StackOptions", "StateDirInUse", "WantedPorts"]
__all__ += ["WrongSetting", "operator_environment", "read_endpoints", "run_up"]
