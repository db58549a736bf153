"""The first message to the client, filled in from the template."""

from __future__ import annotations

from datetime import timedelta
from importlib.resources import files
from string import Template

from infra.ops.drill.incident import Incident

NEXT_NEWS = timedelta(minutes=30)


def template(name: str) -> Template:
    """A page of `templates/`, with $names to be filled in."""
    return Template((files("infra.ops.drill") / "templates" / name).read_text("utf-8"))


def first_message(incident: Incident) -> str:
    """What is known now, without a guess and without another client's name."""
    now, sample = incident.timeline.clock(), incident.observer.last
    waited = sample.oldest_seconds if sample else 0.0
    return template("client_first.txt").substitute(
        since=f"{now - timedelta(seconds=waited):%H:%M} UTC",
        working=f"{incident.milestones.detected or now:%H:%M} UTC",
        minutes=max(1, round(waited / 60)),
        next=f"{now + NEXT_NEWS:%H:%M} UTC",
    )
