"""dashboards: operations.json and baseline-metrics.json for Grafana 11 and later, made from what the modules here say.

Change a panel in the module that holds its row, then write both files anew with `python -m infra.monitoring.dashboards`; a test
compares them. This takes the extra `dev`; who only uses the files needs nothing. What a panel may show is tested against a running
chain: tests/integration/chain/test_dashboards.py.
"""
