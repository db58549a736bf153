"""keys: symmetric key rings (encryption at rest, MACs of links) and Ed25519 signing keys with their public directory."""
