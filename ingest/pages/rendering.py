"""Pages as responses, with headers that let them do nothing but show themselves and post to where they came from."""

from __future__ import annotations

import html
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from string import Template

from aiohttp import web


def form(error: str = "", status: int = 200) -> web.Response:
    """The questions; `error` says what was wrong with the answer before."""
    shown = f'<p class="error" role="alert">{html.escape(error)}</p>' if error else ""
    return _page("form.html", status, error=shown)


def message(title: str, text: str, status: int = 200) -> web.Response:
    return _page("message.html", status, title=html.escape(title), text=html.escape(text))


def _page(name: str, status: int, **values: str) -> web.Response:
    body = Template(_file(name)).substitute(style=_style(), **values)
    return web.Response(text=body, status=status, content_type="text/html", headers=_headers())


@cache
def _file(name: str) -> str:
    return (files("ingest.pages") / name).read_text(encoding="utf-8")


@cache
def _style() -> str:
    return _file("style.css").strip()


@cache
def _headers() -> dict[str, str]:
    digest = b64encode(sha256(_style().encode()).digest()).decode()
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "X-Robots-Tag": "noindex",
    }
