"""What the processes tell Prometheus: which metrics there are, as a catalogue, and how many series come of them."""
