"""migrations: numbered SQL files, applied in order by `sinks.postgres.migrate`. A file that was released is never changed."""
