"""monitoring: what Prometheus, Alertmanager and Grafana are told. Files for them, and what the dashboards' files are made from."""
