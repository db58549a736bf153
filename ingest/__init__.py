"""ingest: the edge. HTTP in, signed events out.

takes      webhooks of tenants' desks, feedback by API and by link
produces   tickets.received, feedback.submitted   (key: tenant id, on the tenant's partition)
guarantee  a 202 means that every in-sync replica of Kafka has the event; the same webhook gives the same event id
needs      Kafka to accept; goes on accepting webhooks while PostgreSQL is away, from the tenants as last seen
bounds     1 MiB and 10 s a body, 5 s for Kafka, a token bucket a tenant, everything remembered is limited in number and age
"""
