"""The local stack: what runs on one machine so that everything can be tried without outside systems."""
