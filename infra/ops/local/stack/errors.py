"""Why a local stack doesn't start, in words for a person: each message says what to do."""

from __future__ import annotations


class StackFailed(Exception):
    """The stack could not start; the message says why and what to do. Nothing of it is left running. The CLI exits 1."""


class WrongSetting(Exception):
    """A setting can't be worked with; the message names it and the cure. Nothing was changed. The CLI exits 2."""
