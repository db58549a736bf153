"""deliver: puts an enhancement on its ticket as a note.

consumes   enhancements.synthesized   (key: tenant id, same partition number throughout)
produces   enhancements.delivered     for posted and for dropped ones
guarantee  at least once; at most one note for a tenant, ticket and relevant content: an intent row is written before the note, the
           note carries a visible marker, and after anything uncertain (a worker that died or lost its partition too) the
           desk gets 30 s and the note is looked for before a second try. A repetition emits the same event with the same times.
           The requester never sees the note. A ticket gets at most 3 notes within 24 hours (a setting), counted under its
           lease right before the note is written; only an operator's replay with --again may exceed that.
bounds     a call to the desk 20 s, looking for a note 60 s, a note 60 KiB; a desk that is down or refuses our key holds its
           tenant's lane, what concerns one ticket holds that ticket
"""
