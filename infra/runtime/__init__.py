"""runtime: the floor for all processes: the stream runner, Kafka, PostgreSQL, telemetry, keys, settings, clock."""
