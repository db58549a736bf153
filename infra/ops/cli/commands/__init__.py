"""A module a command group; `main` loads one only when it is used."""
