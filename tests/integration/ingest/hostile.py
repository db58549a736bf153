"""Requests that nobody well-meaning sends, as bytes on the wire, and what came back for them."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, unquote

from hypothesis import strategies as st

from ingest.verifier import raw_key, signature
from tests.integration.ingest.hostile_wire import Sent, request

MARK = "<script>alert(7)</script>"
GOOD_BODY = json.dumps({"ticket_id": "7", "subject": "VPN"}).encode()


@dataclass(frozen=True, slots=True)
class Signer:
    tenant_id: str
    secret: str

    def headers(self, webhook_id: bytes, body: bytes, *, at: int | None = None) -> list[tuple[bytes, bytes]]:
        """All that a webhook needs; valid for this id, time and body."""
        time_text = str(int(time.time()) if at is None else at).encode()
        signed = signature(raw_key(self.secret), webhook_id, time_text, body)
        return [(b"webhook-id", webhook_id), (b"webhook-timestamp", time_text), (b"webhook-signature", signed)]


@dataclass(frozen=True, slots=True)
class World:
    """Two tenants, and a token of the first one's feedback."""

    one: Signer
    other: Signer
    token: str

    @property
    def path(self) -> bytes:
        return f"/api/v1/webhooks/{self.one.tenant_id}".encode()


@dataclass(frozen=True, slots=True)
class Family:
    """`requests` are given the world when they are sent, since signatures have a time."""

    name: str
    examples: int
    requests: Callable[[World], st.SearchStrategy[Sent]]


JSON = [(b"Content-Type", b"application/json")]
ODD_TEXT = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "../", "..\\", "%2e%2e/", "%00", "\x00", "\u202eacme", "аcme",
            "ａｃｍｅ", "x" * 5000, "'; DROP TABLE tenants; --", MARK,
            "{{7*7}}", "${jndi:ldap://x}", "$(id)", "\r\nSet-Cookie: a=b", "\ud7ff\U0010ffff", "﷽" * 200, "' OR '1'='1", "%", "%zz",
        ]
    ),
)  # fmt: skip
TOKEN = st.binary(min_size=1, max_size=12).map(lambda raw: bytes(33 + byte % 94 for byte in raw))
VALUE = st.one_of(
    st.binary(max_size=60),
    ODD_TEXT.map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from([b"", b"\x00", b"\xff\xfe", b"a\r\n b", b"a\n\tb", b"x" * 9000, b",", b"v1,", b"\xf0\x9f\x92\xa9"]),
)
METHODS = st.one_of(
    st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT", b"PRI"]),
    TOKEN,
)


def _texts(*texts: str) -> list[bytes]:
    return [text.encode() for text in texts]


def target_text(text: str, *, encoded: bool) -> bytes:
    return (quote(text, safe="") if encoded else re.sub(r"[\s]", "_", text)).encode("utf-8", "surrogatepass")


def garbage(_: World) -> st.SearchStrategy[Sent]:
    line = st.sampled_from(
        [b"\r\n", b"\n", b" ", b":", b"HTTP/1.1", b"GET / ", b"POST /f/x HTTP/1.1\r\n", b"\x16\x03\x01\x02", b"\x00"]
    )
    return st.lists(st.one_of(line, st.binary(max_size=200)), min_size=1, max_size=8).map(
        lambda p: Sent(b"".join(p), False)
    )


def malformed(world: World) -> st.SearchStrategy[Sent]:
    """Nearly HTTP: a request line and headers with something wrong about them."""
    versions = st.sampled_from(
        [b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9.9", b"", b"http/1.1", b"HTTP/1.1 x"]
    )
    targets = st.one_of(
        st.just(world.path), VALUE, st.sampled_from([b"*", b"http://[::1", b"//", b"?", b"/%", b"http://x/keys"])
    )
    names = st.one_of(
        TOKEN, st.sampled_from([b"Host", b"Content-Length", b"Transfer-Encoding", b"Expect", b"Upgrade", b"", b" x"])
    )
    parts = st.tuples(METHODS, targets, versions, st.lists(st.tuples(names, VALUE), max_size=5), st.binary(max_size=50))
    return parts.map(
        lambda p: Sent(
            b" ".join(p[:3]) + b"\r\n" + b"".join(n + b": " + v + b"\r\n" for n, v in p[3]) + b"\r\n" + p[4], False
        )
    )


def paths(world: World) -> st.SearchStrategy[Sent]:
    """Signed by a tenant, sent to what isn't its address."""
    one = world.one.tenant_id
    near = st.sampled_from(
        [f"{one}/", f"/{one}", f"{one}/..", f"../{one}", f"./{one}", f"{one}%00", f"{one}\x00", f"{one}.", f"{one} ", one.upper(),
         f"{one}/../{world.other.tenant_id}", f"{one};a=b", f"\u202e{one[::-1]}", one.replace("o", "о"), one.replace("-", "‐"),
         f"{one}%2f..%2f{world.other.tenant_id}", f"{one}' OR '1'='1", one * 40, world.other.tenant_id]
    )  # fmt: skip
    prefixes = st.sampled_from(
        ["/api/v1/webhooks/", "/api/v1/webhooks//", "/api/v1/../v1/webhooks/", "/API/v1/webhooks/", "/"]
    )

    def made(prefix: str, segment: str, encoded: bool, method: bytes) -> Sent:
        headers = JSON + world.one.headers(b"hostile-path", GOOD_BODY)
        return request(method, prefix.encode() + target_text(segment, encoded=encoded), headers, GOOD_BODY)

    segments = st.one_of(near, ODD_TEXT).filter(lambda text: unquote(text) != one)
    return st.builds(
        made, prefixes, segments, st.booleans(), st.sampled_from([b"POST", b"POST", b"POST", b"GET", b"PUT"])
    )


def headers(world: World) -> st.SearchStrategy[Sent]:
    """A rightly signed webhook with a header doubled, replaced or added."""
    signing = [b"webhook-id", b"webhook-timestamp", b"webhook-signature", b"Content-Type"]

    def made(name: bytes, value: bytes, how: str) -> Sent:
        every = JSON + world.one.headers(b"hostile-header", GOOD_BODY)
        if how == "replaced":
            every = [pair for pair in every if pair[0] != name]
        if how == "missing":
            return request(b"POST", world.path, [pair for pair in every if pair[0] != name], GOOD_BODY)
        return request(b"POST", world.path, [*every, (name, value)], GOOD_BODY)

    wrong = VALUE.filter(lambda value: value.strip() != b"application/json")
    return st.builds(made, st.sampled_from(signing), wrong, st.sampled_from(["doubled", "replaced", "missing"]))


def signatures(world: World) -> st.SearchStrategy[Sent]:
    """Well-formed, and none of them valid for this tenant, id, time and body."""
    body, now = GOOD_BODY, int(time.time())

    def signed(spoil: Callable[[bytes], bytes]) -> Sent:
        pairs = dict(world.one.headers(b"hostile-signature", body))
        pairs[b"webhook-signature"] = spoil(pairs[b"webhook-signature"])
        return request(b"POST", world.path, JSON + list(pairs.items()), body)

    def of_others(webhook_id: bytes, at: int, signed_body: bytes, signer: Signer) -> Sent:
        good = dict(signer.headers(webhook_id, signed_body, at=at))
        shown = {**dict(world.one.headers(b"hostile-other", body)), b"webhook-signature": good[b"webhook-signature"]}
        return request(b"POST", world.path, JSON + list(shown.items()), body)

    def stale(at: int) -> Sent:
        return request(b"POST", world.path, JSON + world.one.headers(b"hostile-stale", body, at=at), body)

    def raw_of(value: bytes) -> bytes:
        return base64.b64decode(value.removeprefix(b"v1,"))

    spoiling: list[Callable[[bytes], bytes]] = [
        lambda s: s[:-5], lambda s: b"v2" + s[2:], lambda s: b"v1a" + s[2:], lambda s: s[3:], lambda s: s.upper(),
        lambda s: b"v1," + raw_of(s).hex().encode(), lambda s: s + b"A", lambda s: b"v1,v1," + s[3:],
        lambda s: s.replace(b"v1,", b"v1 ,"),
        lambda s: b"v1," + base64.b64encode(raw_of(s)[:-1]), lambda s: b"v1," + base64.b64encode(raw_of(s) + b"\0"),
        lambda s: b"v1," + base64.b64encode(raw_of(s)[::-1]), lambda s: b"v1," * 400, lambda s: b"v1,=" + s[3:],
        lambda s: b"V1," + s[3:], lambda s: b"v1," + b"A" * 43 + b"=",
    ]  # fmt: skip
    flipped = st.tuples(st.integers(0, 31), st.integers(0, 7)).map(
        lambda at: (
            lambda s: (
                b"v1,"
                + base64.b64encode(bytes(b ^ ((1 << at[1]) if n == at[0] else 0) for n, b in enumerate(raw_of(s))))
            )
        )
    )
    others = st.one_of(
        st.tuples(st.just(b"another-id"), st.just(now), st.just(body), st.just(world.one)),
        st.tuples(st.just(b"hostile-other"), st.integers(now + 50, now + 250), st.just(body), st.just(world.one)),
        st.tuples(st.just(b"hostile-other"), st.just(now), st.binary(max_size=30), st.just(world.one)),
        st.tuples(st.just(b"hostile-other"), st.just(now), st.just(body), st.just(world.other)),
    )
    far = st.one_of(st.integers(-(10**18), now - 400), st.integers(now + 700, 10**18))
    return st.one_of(
        st.sampled_from(spoiling).map(signed),
        flipped.map(signed),
        st.binary(max_size=300).map(lambda raw: signed(lambda _: b"v1," + base64.b64encode(raw))),
        others.map(lambda given: of_others(*given)),
        far.map(stale),
    )


def deep(levels: int) -> bytes:
    return b'{"request":' + b"[" * levels + b"]" * levels + b"}"


NO_JSON = [
    *_texts(
        "",
        "{",
        "NaN",
        '{"ticket_id":NaN}',
        '{"ticket_id":Infinity,"subject":"x"}',
        '{"ticket_id":"7","subject":"\\ud800"',
        "<xml/>",
    ),
    b"\xef\xbb\xbf{}",
    b"\x1f\x8b\x08\x00",
    b"\x00" * 500,
    b"{" + b'"a":' * 3000,
    *(deep(levels) for levels in (33, 5000, 200_000)),
]
NO_TICKET = [
    *_texts(
        "null",
        "[]",
        '"x"',
        "7",
        '{"ticket_id":"\\ud800","subject":"x"}',
        '{"ticket_id":"7\\u0000"}',
        '{"ticket_id":1e999}',
    ),
    *_texts(
        '{"ticket_id":"../7"}',
        '{"ticket_id":"7\'; DROP TABLE tickets"}',
        '{"ticket_id":{"$ne":null}}',
        '{"ticket_id":true}',
    ),
    *_texts('{"request":{"id":["7"]}}', '{"request":"7"}', '{"__proto__":{"id":7}}'),
    b'{"ticket_id":' + b"9" * 5000 + b"}",
    b'{"ticket_id":"' + b"7" * 65 + b'"}',
]
BROKEN_BODIES = st.one_of(
    st.binary(max_size=80).map(lambda raw: b"\xff" + raw),
    st.sampled_from(NO_JSON + NO_TICKET),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), ODD_TEXT),
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(ODD_TEXT, inner, max_size=4)),
        max_leaves=12,
    ).map(lambda value: json.dumps({"subject": value}).encode()),
)
"""None is a ticket: the last have no ticket id."""


def bodies(world: World) -> st.SearchStrategy[Sent]:
    """Rightly signed, with bodies that are no tickets; and the same unsigned."""

    def made(body: bytes, extra: list[tuple[bytes, bytes]], rightly: bool) -> Sent:
        signer = world.one if rightly else world.other
        return request(b"POST", world.path, JSON + signer.headers(b"hostile-body", body) + extra, body)

    extras = st.sampled_from([[], [], [], [(b"Content-Encoding", b"gzip")], [(b"Content-Encoding", b"br, zstd")]])
    return st.builds(made, BROKEN_BODIES, extras, st.sampled_from([True, True, False]))


def framing(world: World) -> st.SearchStrategy[Sent]:
    """Bodies whose length is told wrongly or twice, in chunks that are none, and requests hidden in them."""
    inner = request(b"POST", world.path, JSON + world.other.headers(b"hidden", GOOD_BODY), GOOD_BODY).wire
    lengths = st.sampled_from(
        [b"-1", b"+5", b"0x10", b"1e3", b"5, 5", b"99999999999999999999", b"1048577", b"", b"\xb2", b"3", b"2000"]
    )
    chunks = st.sampled_from(
        [
            b"zz\r\nx\r\n0\r\n\r\n",
            b"5\r\nabc",
            b"-1\r\n",
            b"FFFFFFFFFFFFFFFF\r\n",
            b"3\nabc\n0\n\n",
            b"0\r\n\r\n" + inner,
            b"1;x=" + b"y" * 9000,
        ]
    )
    encodings = st.sampled_from(
        [b"chunked", b"chunked, chunked", b"gzip", b"identity", b"Chunked ", b"xchunked", b"\x0bchunked"]
    )
    signed = JSON + world.other.headers(b"hostile-framing", GOOD_BODY)

    def told(length: bytes) -> Sent:
        wire = request(b"POST", world.path, [*signed, (b"Content-Length", length)], length=False).wire
        return Sent(wire + GOOD_BODY + inner, False)

    def chunked(encoding: bytes, chunk: bytes, both: bool) -> Sent:
        more = [(b"Content-Length", b"4")] if both else []
        wire = request(b"POST", world.path, [*signed, (b"Transfer-Encoding", encoding), *more], length=False).wire
        return Sent(wire + chunk, False)

    cut = st.integers(1, len(inner) - 1).map(lambda at: Sent(inner[:at], False))
    return st.one_of(lengths.map(told), st.builds(chunked, encodings, chunks, st.booleans()), cut)


def feedback(world: World) -> st.SearchStrategy[Sent]:
    """The feedback API: with no token, others' and its own, and bodies and queries that can't be meant."""
    bearers = st.one_of(
        st.just(b"Bearer " + world.token.encode()),
        VALUE.map(lambda value: b"Bearer " + value),
        VALUE,
        st.sampled_from(
            [b"Basic YTpi", b"Bearer", b"bearer  x", b"Bearer " + world.token.encode()[:-1], b"Bearer " + b"a" * 5000]
        ),
    )
    names = ["tenant_id", "ticket_id", "start_date", "end_date", "limit", "x"]
    dates = st.sampled_from(
        [
            "0000-00-00",
            "9999-12-31",
            "10000-01-01",
            "2026-02-30",
            "2026-01-01T00:00:00+99:00",
            "-1",
            "1e9",
            "١٢٣",
            "0",
            "999999999999",
        ]
    )
    query = st.lists(
        st.tuples(st.sampled_from(names), st.one_of(dates, ODD_TEXT, st.just(world.one.tenant_id))), max_size=4
    ).map(
        lambda pairs: "&".join(
            f"{name}={quote(text, safe='', errors='surrogatepass')}" for name, text in pairs
        ).encode()
    )
    field = st.one_of(st.none(), st.integers(), st.floats(), ODD_TEXT, st.lists(st.integers(), max_size=2))
    body = st.one_of(
        BROKEN_BODIES,
        st.fixed_dictionaries({"ticket_id": field, "rating": field, "comment": field, "tenant_id": field}).map(
            lambda value: json.dumps({**value, "feedback_type": MARK}).encode()  # never one of the three
        ),
    )
    reading = st.builds(
        lambda path, bearer, text, method: request(method, path + b"?" + text, [(b"Authorization", bearer)]),
        st.sampled_from([b"/api/v1/feedback", b"/api/v1/feedback/stats", b"/api/v1/feedback/"]), bearers, query,
        st.sampled_from([b"GET", b"GET", b"GET", b"DELETE"]),
    )  # fmt: skip
    writing = st.builds(
        lambda bearer, text, key: request(
            b"POST", b"/api/v1/feedback", [*JSON, (b"Authorization", bearer), (b"Idempotency-Key", key)], text
        ),
        bearers, body, VALUE,
    )  # fmt: skip
    return st.one_of(reading, writing)


def links(_: World) -> st.SearchStrategy[Sent]:
    """Feedback links that nobody made, and what a form of theirs could hold."""
    form = st.one_of(
        st.binary(max_size=80), st.sampled_from([b"rating=5", b"rating=5&rating=6", b"comment=%00", b"a=b&" * 400])
    )
    tokens = st.one_of(ODD_TEXT, st.binary(max_size=90).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
    kind = [(b"Content-Type", b"application/x-www-form-urlencoded")]
    return st.builds(
        lambda token, encoded, method, cookie, body: request(
            method, b"/f/" + target_text(token, encoded=encoded), [*kind, (b"Cookie", b"ticketstream_respondent=" + cookie)], body
        ),
        tokens, st.booleans(), st.sampled_from([b"GET", b"POST", b"POST", b"PUT"]), VALUE, form,
    )  # fmt: skip


def documents(_: World) -> st.SearchStrategy[Sent]:
    """What anybody may read, asked for oddly."""
    asked = st.tuples(
        METHODS,
        st.sampled_from([b"/keys", b"/openapi.json", b"/", b"/metrics", b"/readyz", b"/registry/subjects"]),
        ODD_TEXT,
        VALUE,
    )
    return asked.map(
        lambda p: request(
            p[0], p[1] + b"?q=" + target_text(p[2], encoded=True), [(b"If-None-Match", p[3]), (b"Range", p[3])]
        )
    )


FAMILIES = (
    Family("garbage", 200, garbage),
    Family("malformed", 400, malformed),
    Family("paths", 350, paths),
    Family("headers", 300, headers),
    Family("signatures", 400, signatures),
    Family("bodies", 400, bodies),
    Family("framing", 200, framing),
    Family("feedback", 450, feedback),
    Family("links", 250, links),
    Family("documents", 200, documents),
)
