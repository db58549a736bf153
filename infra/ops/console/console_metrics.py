"""What the console counts. Labels are bounded: routes by their pattern, commands from the table of those that are served."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter(
    "ticketstream_console_requests_total",
    "HTTP requests that the console answered, by method, route and status.",
    ["method", "route", "status"],
)
SECONDS = Histogram(
    "ticketstream_console_request_seconds",
    "Time from a request's headers to its answer; of a command, to its end.",
    ["method", "route"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10, 60, 600),
)
TOKENS_REFUSED = Counter(
    "ticketstream_console_tokens_refused_total",
    "Operator tokens that were refused: none, not_valid (unknown, ended, revoked), or locked_out after too many of these.",
    ["reason"],
)
COMMANDS = Counter(
    "ticketstream_console_commands_total",
    "Commands that the console ran, by result: done, failed, refused (the person may not), wrong_use, stopped.",
    ["command", "result"],
)
RUNNING = Gauge("ticketstream_console_commands_running", "Commands that run now.")
BUSY = Counter("ticketstream_console_commands_busy_total", "Commands answered with 503, since too many ran.")
