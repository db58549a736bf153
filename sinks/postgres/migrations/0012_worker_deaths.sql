-- At how many deaths of its worker an event was running. At the third it becomes a dead letter.
ALTER TABLE lane_holds ADD COLUMN deaths integer NOT NULL DEFAULT 0;
