"""enrich: gathers what is known about a ticket.

consumes   tickets.received      (key: tenant id, same partition number throughout)
produces   tickets.enriched
guarantee  at least once; the same input gives the same event id and no second row. A copy of an event, content that was answered
           already and content that an edit has overtaken are dropped with a reason; a closed ticket is kept as history
bounds     every source has 3 s, all together 10 s or a third of the tenant's enhancement_timeout_seconds; a late or failing
           source is named in `missing`, never fatal; at most 20 items of 2 KiB, shared among the sources
"""
