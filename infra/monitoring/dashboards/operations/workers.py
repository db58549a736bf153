"""The workers: are there enough, do they live, and how do they feel?"""

from __future__ import annotations

from infra.monitoring.dashboards import limits
from infra.monitoring.dashboards.page import Row
from infra.monitoring.dashboards.panels import About, Graph, Query
from infra.monitoring.dashboards.promql import PROCESSES, STAGES, quantile

_OURS = f'job=~"{PROCESSES}"'
_PRESENT = f'label_replace(count by (job) (up{{job=~"{STAGES}"}} == 1), "stage", "$1", "job", "(.+)")'

WORKERS_ROW = Row(
    "Workers",
    (
        Graph(
            About(
                "Workers wanted and there",
                "What the lag service asks KEDA for, and the workers that can be scraped. Wanted above there for "
                "minutes: no room in the cluster, or the maximum is reached (`kubectl describe scaledobject`). Not "
                "wanted although tenants wait: they are at their caps.",
                "TooFewWorkers",
            ),
            "short",
            (
                Query("max by (stage) (ticketstream_scaling_desired_replicas)", "{{stage}} wanted"),
                Query(f"sum by (stage) ({_PRESENT})", "{{stage}} there"),
            ),
        ),
        Graph(
            About(
                "Demand, slots and in flight",
                "Demand: events that could be worked on now, each tenant up to its cap. Slots: how many the workers "
                "take at a time. In flight at the slots for long: workers are missing. Far below while demand is "
                "high: something is stuck, see the event loop.",
                "TooFewWorkers",
                width=16,
            ),
            "short",
            (
                Query("max by (stage) (ticketstream_scaling_demand)", "{{stage}} demand"),
                Query("sum by (stage) (ticketstream_slots)", "{{stage}} slots"),
                Query("sum by (stage) (ticketstream_events_in_flight)", "{{stage}} in flight"),
            ),
        ),
        Graph(
            About(
                "Processes up",
                "How many of each process Prometheus can scrape. A line that falls to 0: that process is gone; see "
                "the pod or its log.",
                "ProcessDown",
            ),
            "short",
            (Query(f"sum by (job) (up{{{_OURS}}})", "{{job}}"),),
        ),
        Graph(
            About(
                "Started within 10 minutes",
                "Processes that are younger than 10 minutes. Outside of a roll-out or scaling it is a crash loop: "
                "see the log's end, and whether memory or an event is the reason (dead letters with "
                "crashes_worker).",
                "WorkerFailures",
            ),
            "short",
            (Query(f"sum by (job) (time() - process_start_time_seconds{{{_OURS}}} < bool 600)", "{{job}}"),),
        ),
        Graph(
            About(
                "Event loop late, p99",
                "How much later than asked the event loop turns: everything in that process waits as long. Above "
                "100 ms all the time: too much work for one processor; above 1 s probes fail. Add replicas, or find "
                "what blocks.",
                "EventLoopBlocked",
            ),
            "s",
            (Query(quantile(0.99, "ticketstream_event_loop_lag_seconds", "job"), "{{job}}"),),
            limits.LOOP_LAG_SECONDS,
        ),
        Graph(
            About(
                "Processor",
                "Processors that each process's busiest replica uses. From 70 % on Kubernetes adds replicas; one "
                "process uses one at most.",
            ),
            "percentunit",
            (Query(f"max by (job) (rate(process_cpu_seconds_total{{{_OURS}}}[$__rate_interval]))", "{{job}}"),),
            limits.PROCESSOR_SHARE,
        ),
        Graph(
            About(
                "Memory",
                "Memory of each process's largest replica. A worker has about 2 GB; one that reaches its limit is "
                "killed and its events are handled again.",
                "WorkerFailures",
            ),
            "bytes",
            (Query(f"max by (job) (process_resident_memory_bytes{{{_OURS}}})", "{{job}}"),),
            limits.MEMORY_BYTES,
        ),
        Graph(
            About(
                "Releases",
                "Which release runs in how many processes. Two for longer than a roll-out takes: it is stuck.",
            ),
            "short",
            (Query("sum by (version) (ticketstream_build_info)", "{{version}}"),),
            stacked=True,
        ),
    ),
)
