"""The four stages, one folder each; none imports another."""
