"""demo: three tenants, 60 signed webhooks, 56 notes, through the real chain of the local stack.

tenants    the three tenants, their desks and live tickets
memory     what a second run must know of the first
deliveries the 60 webhooks: 57 new tickets (one deleted at its desk meanwhile), one repeated, one forged, one stale
watch      what comes out: delivered events, dead letters, notes at the desks
opinions   feedback, by bearer token and by a note's link, and its aggregate
held       the lanes that a stage holds, when a note is missing
tally      the counts, and whether they are right
report     what people see
run        all of it in order
data/      knowledge, inventory, history and live tickets, a folder a tenant
"""
