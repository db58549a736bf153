#!/bin/sh
# Prepares a new cell: topics, roles and tables, a signing key for each service. Safe to run again.
set -eu
ticketstream topics ensure --single-node
ticketstream database migrate
for service in ingest enrich synthesize deliver feedback_aggregate reconcile sealer replay; do
    [ -f "/keys/$service.pem" ] || ticketstream key create "$service" --out "/keys/$service.pem"
done
chown 10001 /keys/*.pem  # the services run as this user, and a key must not be readable by others
