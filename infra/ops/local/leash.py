"""Starts a program that can't outlive the process that started it.

Run as a script by its path: `python -I -S leash.py PARENT_PID SIGNAL USER COMMAND…` becomes COMMAND, as USER unless that is empty,
and Linux sends it SIGNAL when its parent ends, however it ends. Elsewhere it only becomes COMMAND. The parent must start it from
its main thread: the tie is to the thread (prctl(2), PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1


def leashed(command: list[str], *, when_parent_ends: signal.Signals, user: str = "") -> list[str]:
    """`command`, tied to this process."""
    number = str(int(when_parent_ends))
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), number, user, *command]


def _become(user: str) -> None:
    entry = pwd.getpwnam(user)
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def main(arguments: list[str]) -> None:
    parent, number, user, *command = arguments
    # Loaded before the change of user, who may not be able to read this Python; called after it, since it undoes the tie.
    library = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if user:
        _become(user)
    if library is not None:
        if library.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
            sys.exit(f"prctl failed: {os.strerror(ctypes.get_errno())}")
        if os.getppid() != int(parent):
            sys.exit("the process that started this one is gone")
    os.execvp(command[0], command)  # noqa: S606 - a command line of our own, without a shell


if __name__ == "__main__":
    main(sys.argv[1:])
