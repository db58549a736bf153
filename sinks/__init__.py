"""sinks: the outside systems that the processes write to and read from, one folder each."""
