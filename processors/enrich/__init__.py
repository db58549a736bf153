"""enrich: gathers what is known about a ticket.

consumes   tickets.received      (key: tenant id, same partition number throughout)
produces   tickets.enriched
guarantee  at least once; the same input gives the same event id and no second row. A copy of an event, content that was answered
           already and content that an edit has overtaken are dropped with a reason; a closed ticket is kept as history.
           A ticket's first event is never delayed; later edits are gathered for 10 s (a setting) without a slot, and only what
           the ticket says then is answered, unless it had its 3 notes of a day. A replayed event is as old as what it repeats
bounds     every source has 3 s, all together 10 s or a third of the tenant's enhancement_timeout_seconds; a late or failing
           source is named in `missing`, never fatal; at most 20 items of 2 KiB, shared among the sources
"""
