"""Commands through the console: with TICKETSTREAM_CONSOLE_URL set, whoever has a token needs no Kafka, no database and no keys.

address    where the console is, and the token
request    what was asked for, as the console is asked: raw values by name, files by their content
places     where the files go that a command makes, on this machine
client     one request, heard line by line; what is asked back is asked here
"""
