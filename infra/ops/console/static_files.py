"""Style, script and pictures of the pages, read once. They hold nothing of anybody, so that the login page has them, too."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files

from aiohttp import web

TYPES = {
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "png": "image/png",
    "ico": "image/x-icon",
    "woff2": "font/woff2",
}
_TEXT = frozenset({"css", "js", "svg"})


async def get(request: web.Request) -> web.Response:
    """`GET /static/{name}`. A browser keeps it and asks each time whether it is still that."""
    found = _files().get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    content, tag = found
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=headers)
    ending = request.match_info["name"].rpartition(".")[2]
    charset = "utf-8" if ending in _TEXT else None
    return web.Response(body=content, content_type=TYPES[ending], charset=charset, headers=headers)


@cache
def _files() -> dict[str, tuple[bytes, str]]:
    """Content and tag by name, of the one flat folder: no path leads out of it."""
    found = {}
    for file in (files("infra.ops.console.pages") / "static").iterdir():
        if file.name.rpartition(".")[2] in TYPES:
            content = file.read_bytes()
            found[file.name] = (content, f'"{sha256(content).hexdigest()[:32]}"')
    return found
