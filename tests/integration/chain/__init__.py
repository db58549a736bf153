"""chain: tickets from webhook to note, and everything that people do beside it, on one whole running chain.

A package, so that the chain ends with its tests instead of keeping the machine busy through those that follow.
"""
