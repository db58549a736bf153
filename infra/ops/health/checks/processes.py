"""Does every process answer, and does it say of itself that it is well? In Kubernetes Prometheus knows: their internal ports can't
be reached from an operator's place."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import aiohttp

from infra.ops.health.finding import Finding, not_known, well, wrong
from infra.ops.health.looking import PROMETHEUS_URL, Looking
from infra.ops.health.prometheus import Prometheus
from infra.ops.metrics.processes import PROCESSES

ANSWER_SECONDS = 2.0
_UP = "up{{job=~'{}'}}"
_LOCAL_CURE = "see its log in {}/logs, and infra/runbooks/ProcessDown.md"
_CURE = "kubectl -n ai-agents-production get pods; then infra/runbooks/ProcessDown.md"


async def check(sight: Looking) -> Finding:
    endpoints = sight.around.endpoints
    if endpoints is not None:
        return await _by_asking(sight, endpoints.internal)
    if sight.prometheus is not None:
        return await _by_prometheus(sight.prometheus)
    return not_known(f"neither a local stack nor {PROMETHEUS_URL} says where they are", f"set {PROMETHEUS_URL}")


async def _by_asking(sight: Looking, internal: Mapping[str, str]) -> Finding:
    names = [*PROCESSES, *(name for name in internal if name not in PROCESSES)]
    told = await asyncio.gather(*(_asked(sight, internal.get(name)) for name in names))
    ill = [f"{name}: {what}" for name, what in zip(names, told, strict=True) if what]
    if ill:
        return wrong(
            "\n".join([f"{len(names) - len(ill)} of {len(names)} are well", *ill]),
            _LOCAL_CURE.format(sight.around.folder),
        )
    return well(f"all {len(names)} answer and are well")


async def _asked(sight: Looking, url: str | None) -> str:
    """What is wrong with the process; empty where it is well."""
    if url is None:
        return "has told no address, so it is not running"
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            _, told = await sight.get(f"{url}/health")
    except TimeoutError:
        return f"no answer within {ANSWER_SECONDS:.0f} s"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return f"does not answer ({type(error).__name__})"
    return _of_itself(told)


def _of_itself(told: Mapping[str, object]) -> str:
    checks = told.get("checks")
    if told.get("status") == "healthy" or not isinstance(checks, dict):
        return "" if told.get("status") == "healthy" else f"says {told.get('status')}"
    failing = [f"{name} ({one.get('detail') or 'no details'})" for name, one in checks.items() if not one.get("ok")]
    return f"{told.get('status')}: {', '.join(failing)}"


async def _by_prometheus(prometheus: Prometheus) -> Finding:
    samples = await prometheus.query(_UP.format("|".join(PROCESSES)))
    answers: dict[str, list[float]] = {name: [] for name in PROCESSES}
    for sample in samples:
        answers[sample.labels.get("job", "")].append(sample.value)
    ill = [line for name, values in answers.items() if (line := _line(name, values))]
    if ill:
        return wrong("\n".join([f"{len(answers) - len(ill)} of {len(answers)} kinds are well", *ill]), _CURE)
    return well(f"all {len(answers)} kinds answer Prometheus, {len(samples)} processes")


def _line(name: str, values: Sequence[float]) -> str:
    if not values:
        return f"{name}: Prometheus knows none"
    up = sum(value == 1 for value in values)
    return "" if up == len(values) else f"{name}: {up} of {len(values)} answer"
