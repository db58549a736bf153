-- A hold of one event alone: others of its ticket may overtake it.

ALTER TABLE lane_holds DROP CONSTRAINT lane_holds_scope_check;
ALTER TABLE lane_holds ADD CONSTRAINT lane_holds_scope_check CHECK (scope IN ('lane', 'ticket', 'event'));
