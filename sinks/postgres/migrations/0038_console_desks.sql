-- The console's page of a ticket asks the desk, as `ticketstream investigate` does: whether ticket and note are still there. It could
-- read credentials before, and a desk in the cloud is asked with an access token that all share.
GRANT SELECT, INSERT, UPDATE ON desk_access_tokens TO ticketstream_console;
GRANT EXECUTE ON FUNCTION take_desk_token, keep_desk_token, refuse_desk_token, desk_access TO ticketstream_console;
