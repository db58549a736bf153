"""The console (port 8081): pages for people, and every operator's command as HTTP, under the caller's own operator token.

settings     from the environment
app          the routes; what stands around every request
headers      what every answer says to the browser: a strict content security policy and its like
sign_in      from an operator token to a person; guessing is made to wait
sessions     the cookie, and the person behind it
csrf         a POST comes from our own page
login        the page that asks for the token
visits       what a page gets: the person, the database, the commands
rendering    templates
commands/    commands over HTTP, each in a process of its own
pages/       the pages behind the login

A command runs in a process of its own with the caller's token: it is the very command of the command line, so that rights, reasons
and audit are the same ones.
"""
