"""The command line `ticketstream`: what people type. Thin: a command finds its surroundings, calls the room that does it, shows it.

main           the table of commands, loaded when used; errors as one line, exit 0 done, 1 failed, 2 wrong use
failure        `what: cure`
output         tables for people, one JSON object for scripts
json_file      the file of `--json FILE`, opened before anything is done
confirmation   what can't be undone is asked for first
tenant_argument   the argument that names a tenant
surroundings   where Kafka, PostgreSQL and the secrets are: the environment, else the local stack's folder
acting         who runs a command, in which role, for which tenants; whoever may not is refused and audited
rights         who may use which command, in one table
commands/      a module a group
imports/       files of knowledge, inventory and history, read whole and checked before anything is written
"""
