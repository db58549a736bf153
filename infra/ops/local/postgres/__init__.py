"""postgres: a real PostgreSQL for one machine, from the binaries of a Python package, reached by a Unix socket."""

from infra.ops.local.postgres.embedded import EmbeddedPostgres, PostgresFailed

__all__ = ["EmbeddedPostgres", "PostgresFailed"]
