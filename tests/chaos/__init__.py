"""chaos: the whole chain under faults, and an oracle that compares what the sender was promised with what stands on the desks.

Everything is real: processes, Kafka, PostgreSQL, connections. What the chain says of itself is no evidence; the ledgers of sender,
desks and model are. `python -m tests.chaos --help`, or `make chaos`.
"""
