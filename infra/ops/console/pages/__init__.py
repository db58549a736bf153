"""pages: what a person sees in the console behind the login.

known by itself   the tenants' figures, the lag of the last minutes, the dead letters: each a bounded copy that says how old it is
asked at once     a tenant, a ticket, a letter, feedback, refusals, the audit log: under the operator's rights (`Visit.acting`)
done              replays, secrets, settings: by the very commands of the command line (`Visit.run`), shown as they answer
content           tickets' and notes' texts ask for a reason first, and are noted down before they are shown (`reason`)

Server-rendered: every page works without script. What isn't known is shown as unknown, never as 0.
"""
