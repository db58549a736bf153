"""Commands over HTTP: the very command of the command line, in a process of its own, with the caller's token.

calls        what was asked for: a command's words, its parameters, its files
arguments    from parameters to the words of a command line, which can't become other parameters
scratch      a call's folder: its files, and those that it makes
child        the process: nothing of the console's but what the commands need
running      started, read, stopped in time
runner       how many at once, and what a page gets
api          the routes for programs
openapi      what can be called, and how
"""
