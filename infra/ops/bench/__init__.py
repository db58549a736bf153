"""bench: figures as ratios of two things measured in one run on the same machine, since machines differ and are noisy."""
