-- In which role somebody acted, and the client's consent where content was looked at.
ALTER TABLE audit_log ADD COLUMN role text NOT NULL DEFAULT '', ADD COLUMN consent text NOT NULL DEFAULT '';
COMMENT ON COLUMN audit_log.role IS 'Of a person: support or engineer; empty for a service.';
COMMENT ON COLUMN audit_log.consent IS 'Who of the client agreed that their content is looked at, and where that is written down.';
