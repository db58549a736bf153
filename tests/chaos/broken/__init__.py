"""broken: services with one guard taken out on purpose, to prove that the oracle sees it. For tests alone."""
