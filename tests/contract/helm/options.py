"""The sets of values that the chart is rendered with: its defaults, and each option that changes what is rendered."""

from __future__ import annotations

from collections.abc import Mapping

from tests.contract.helm.chart import CHART, settings

LARGE = ["--values", str(CHART / "values-large.yaml")]
_SETTINGS: Mapping[str, Mapping[str, object]] = {
    "defaults": {},
    "scaled by CPU": {"autoscaling.mode": "cpu"},
    "not scaled": {"autoscaling.mode": "none"},
    "external secrets": {
        "secrets.external.enabled": True,
        "secrets.external.store.name": "vault",
        "toolbox.enabled": True,
        "bearerMode": True,
        "kafka.clientCertificates": True,
    },
    "existing secrets": {"secrets.existing": "tickets", "secrets.revision": "2026-11-20"},
    "toolbox": {"toolbox.enabled": True},
    "bearer mode": {"bearerMode": True},
    "no model": {"model.enabled": False},
    "own model": {"model.apiBase": "https://models.example.com/v1"},
    "client certificates": {"kafka.securityProtocol": "SSL", "kafka.clientCertificates": True, "toolbox.enabled": True},
    "trial": {
        "kafka.securityProtocol": "PLAINTEXT",
        "kafka.ca.secret": "",
        "postgresql.sslMode": "disable",
        "postgresql.ca.secret": "",
        "setup.singleNode": True,
        "setup.partitions": 8,
    },
    "traces and registry": {
        "tracing.endpoint": "http://collector:4318",
        "tracing.sampleRatio": 0.1,
        "schemaRegistry.url": "http://registry:8081",
    },
    "prometheus": {"prometheusUrl": "http://prometheus.monitoring.svc:9090", "toolbox.enabled": True},
    "no ingress": {"ingress.enabled": False, "ingress.host": "", "publicUrl": "https://tickets.example.com"},
    "ingress": {
        "ingress.className": "nginx",
        "ingress.annotations": {"cert-manager.io/cluster-issuer": "letsencrypt"},
        "ingress.tls.secretName": "tickets",
        "trustedProxies": ["10.0.0.0/8", "fd00::/8"],
    },
    "console": {
        "consoleIngress.enabled": True,
        "consoleIngress.host": "console.example.com",
        "networkPolicy.consoleClients": [{"namespaceSelector": {"matchLabels": {"team": "desk"}}}],
    },
    "no network policies": {"networkPolicy.enabled": False},
    "named networks": {
        "networkPolicy.registryClients": [{"namespaceSelector": {"matchLabels": {"team": "analysts"}}}],
        "networkPolicy.lagClients": [{"podSelector": {"matchLabels": {"app": "board"}}}],
        "networkPolicy.keda": [],
        "networkPolicy.kafka.to": [{"ipBlock": {"cidr": "10.1.0.0/24"}}],
        "networkPolicy.postgresql.to": [{"ipBlock": {"cidr": "10.2.0.0/24"}}],
    },
    "nobody named": {
        "networkPolicy.ingressController": [],
        "networkPolicy.registryClients": [{"podSelector": {"matchLabels": {"app": "board"}}}],
        "networkPolicy.prometheus": [],
        "networkPolicy.keda": [],
    },
    "no monitoring": {
        "monitoring.serviceMonitor.enabled": False,
        "monitoring.prometheusRule.enabled": False,
        "monitoring.dashboards.enabled": False,
    },
    "labelled monitoring": {
        "monitoring.serviceMonitor.labels": {"release": "prometheus"},
        "monitoring.prometheusRule.labels": {"release": "prometheus"},
    },
    "no setup": {"setup.migrate": False, "setup.topics": False},
    "placed": {
        "pods.nodeSelector": {"pool": "workers"},
        "pods.tolerations": [{"key": "pool", "operator": "Equal", "value": "workers", "effect": "NoSchedule"}],
        "pods.priorityClassName": "business",
        "pods.annotations": {"example.com/team": "support"},
        "pods.topologySpread.nodes": "DoNotSchedule",
        "image.digest": "sha256:" + "0" * 64,
        "image.pullSecrets": ["registry"],
        "topicPrefix": "eu.",
    },
}
OPTIONS: Mapping[str, list[str]] = {name: settings(pairs) for name, pairs in _SETTINGS.items()} | {
    "large tenants": LARGE
}
