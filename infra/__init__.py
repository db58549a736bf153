"""infra: the floor that all processes stand on (runtime) and the people's tools on top of everything (ops)."""
