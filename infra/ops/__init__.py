"""ops: what people use: the command line, the local stack, the demo, the benchmarks."""
