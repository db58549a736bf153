"""feedback_aggregate: what a tenant's technicians say of the notes, added up.

consumes   feedback.submitted    (key: tenant id, same partition number throughout)
produces   feedback.aggregated
guarantee  at least once; an answer counts once, and a redelivery emits the same aggregate
bounds     one short transaction an answer; a tenant's answers one after the other
"""
