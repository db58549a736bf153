"""monitoring: Prometheus and Alertmanager as parts of the local stack: where they are installed, what they are told, and the log
that their alerts end in."""

from infra.ops.local.monitoring.configuration import MonitoringPorts, Pace, write_configuration, write_targets
from infra.ops.local.monitoring.tools import MonitoringTools, find_tools

__all__ = ["MonitoringPorts", "MonitoringTools", "Pace", "find_tools", "write_configuration", "write_targets"]
