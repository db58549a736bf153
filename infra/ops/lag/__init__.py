"""How far each stage is behind, for which tenant, since when, and what is held: read from Kafka and PostgreSQL, by an onlooker.

Shown by `ticketstream lag show`, and served by a process of its own, `ticketstream lag serve`:
wire, brokers      questions to the brokers, in as few and as cheap requests as it takes
offsets, owners    where each group stands, and which worker owns what
ages               when the first record that isn't handled was written
holds              what is held, from the stages' rows
limits, demand     what keeps events waiting, and how many workers would shorten a wait
rates, view        put together, per stage and tenant
reading            one look
watch              the service's looks, every two seconds; routes and metrics show them

lag = end offset - committed offset - what is done beyond it, which the stages write into the commit's metadata. A partition is a
tenant, so the partition's lag is the tenant's.
"""
