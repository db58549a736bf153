-- When a ticket's edits began to be gathered, which event a replay repeats, and how many notes a ticket had lately.

ALTER TABLE tickets ADD COLUMN edits_since timestamptz;
COMMENT ON COLUMN tickets.edits_since IS 'The first edit of those that are, or were last, gathered for one note.';

ALTER TABLE received_events ADD COLUMN replay_of uuid;
COMMENT ON COLUMN received_events.replay_of IS 'The event that this one repeats, if it is a replay.';
