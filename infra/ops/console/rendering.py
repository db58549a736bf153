"""Templates: those of the login and of errors lie here in `templates`, the pages' in `pages/templates`. All values are escaped."""

from __future__ import annotations

from functools import cache
from typing import Any

from aiohttp import web
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from infra.ops.console.pages.telling import FILTERS, GLOBALS
from infra.ops.console.visits import Visit


@cache
def environment() -> Environment:
    """A name that nobody gave a value is an error, not an empty text."""
    loader = ChoiceLoader(
        [PackageLoader("infra.ops.console", "templates"), PackageLoader("infra.ops.console", "pages/templates")]
    )
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= FILTERS
    made.globals |= GLOBALS
    return made


def render(template: str, *, visit: Visit | None = None, status: int = 200, **values: Any) -> web.Response:
    """A page. Templates get `visit` (None before the login) and `values`."""
    text = environment().get_template(template).render(visit=visit, **values)
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")
