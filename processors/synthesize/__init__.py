"""synthesize: writes the note of a ticket from what is known about it.

consumes   tickets.enriched            (key: tenant id, same partition number throughout)
produces   enhancements.synthesized
guarantee  at least once; an input is answered once: its answer is stored before it is sent on, and a repetition emits the same.
           While one worker writes, it holds a lease on the input; another worker holds the event instead of calling the model.
bounds     the tenant's enhancement_timeout_seconds less what gathering took. A model that fails five times in a row is left alone
           for a while (breaker.py). While it is away the tenant's other model answers at once, if it named one; else, after 3
           tries or 60 s, the built-in writer, unless the tenant would rather wait. The event says so in `degraded`
"""
