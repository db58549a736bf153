"""A tenant leaves: it gets all that is its own (export), and then nothing of it stays (erase).

erase   marks the tenant as erased, which every process follows within 5 s by dropping whatever it has of it; deletes the rows of
        every table with a tenant, and the records of its partition in every topic; looks until nothing comes; gives a receipt
export  the tenant's rows and what only Kafka holds, a file a kind with its hash in a manifest
"""
