"""The checks, a module each. `check` returns a finding; what it raises is told as one by `checking`."""
