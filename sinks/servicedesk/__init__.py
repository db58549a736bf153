"""servicedesk: ServiceDesk Plus through its REST API v3, on premises and in the cloud.

types            what callers hand in and get back: values, and the Protocols `NoteSink` and `TicketReader`
notes, tickets   the operations
client           one call: transport, keys and answers put together
transport        HTTP with bounds; tells "nothing reached the desk" from "the desk may have acted"
addresses        which URLs and network addresses may be spoken to
authentication   authtoken on premises, OAuth access tokens in the cloud
answers          what the desk's `response_status` means
ticket_reading   a desk's request object, or a webhook's document, as a ticket (desk_values, html_text, storable_text)
accounts         a tenant's desk: its URL, form and credential
fakes            a desk in memory that keeps the same contract
"""
