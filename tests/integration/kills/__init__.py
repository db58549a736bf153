"""kills: processes killed, stopped and frozen at their worst moments, on one whole running chain that ends with these tests.

The files run in the order of their names: those of `test_gaps` need the short sessions with which the chain begins.
"""
