"""telemetry: logs, metrics, traces and the internal port of every process."""
