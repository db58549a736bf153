"""replay: events of a time window, or dead letters, fed to a stage once more, as new events that say so.

request     what is asked for: which stage's window, which tickets, which stage gets them again
spans       reading offsets of one partition as an onlooker: no consumer group, nothing committed
selection   which events those are, one tenant at a time; each is verified as its stage would
plan        what a run would do, counted and not kept
run         doing it: signed by the service `replay`, at a rate, standing back for live tickets, resumable after a kill
letters     dead letters and what became of them
guarantee   at least once; an event's id follows from the original's and the run's, so what a kill repeats is dropped as a copy
bounds      a batch of 50 events or 1 MiB a tenant, 32 tenants at once, 100 events of a run waiting in a tenant's lane
"""
