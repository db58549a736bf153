"""reconcile: feeds in the tickets whose webhook never arrived.

ServiceDesk Plus doesn't promise to repeat a webhook that we could not take. So each desk's list of tickets is compared with what
arrived, on a timer (`python -m infra.ops.reconcile`) and on demand (`ticketstream reconcile`).

reads      each desk's `GET /requests`, by created time, from the newest ticket that was dealt with (less an overlap)
produces   tickets.received, kind `reconciled`, built by the edge's own code, so that its content hash is a webhook's
guarantee  at least once; event ids are derived, so a ticket that also comes by webhook, or is fed in twice, gets one note
bounds     1,000 tickets and 100 calls a tenant and run, 20 calls a minute a desk; what is left goes on at the next run;
           one run a tenant at a time

Only new tickets are fed in, not edits: an edit can't be told from our own note without reading the whole ticket, and desks allow
few calls.

tenant_run   one tenant's comparison        rounds   all tenants, and the timer
ports        what both need                 pace     calls a minute       backlog  is enrich up to date
site         the adapters, chosen           settings, metrics, fakes
"""
