"""How far each stage is behind, for which tenant, since when, and what is held: read from Kafka and PostgreSQL, by an onlooker.

lag = end offset - committed offset - what is done beyond it, which the stages write into the commit's metadata. A partition is a
tenant, so the partition's lag is the tenant's.
"""
