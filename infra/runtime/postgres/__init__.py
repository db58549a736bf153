"""postgres: connection pools and the transaction through which a tenant's rows are reached."""
