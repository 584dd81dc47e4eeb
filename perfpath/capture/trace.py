"""The trace backend: `perf trace` and its text, for a perf whose `record` can't be made live.

The text comes on perf's stderr, since perf flushes only that after each event (a file given by `-o` is written when its
buffer is full). perf's own complaints come the same way: what is no event before the command runs is one of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from perfpath.capture import holder
from perfpath.capture.child import Process, exec_error, locate
from perfpath.capture.fork import PR_SET_CHILD_SUBREAPER, prctl, spawn_tied
from perfpath.capture.kernelfilter import filtered
from perfpath.capture.record import PIPE_BYTES
from perfpath.errors import CaptureError
from perfpath.tracepoints import perf_name

if TYPE_CHECKING:
    from perfpath.capture.plan import Plan

_OPTIONAL = ("--libtraceevent_print",)  # else the default style, which perf 7.2 prints without device names
_KTHREADD = 2


class Tracer:
    """One running `perf trace` whose workload is the holder of the command."""

    name = "trace"
    format = "perf trace"

    def __init__(self, perf: str, plan: Plan, events: tuple[str, ...], without: frozenset[str]) -> None:
        """Start perf. Raises CommandNotFoundError, CommandNotExecutableError: nothing was started then."""
        self.err: int | None = None
        self.ready = False
        self._words = plan.command
        self._path = locate(plan.command[0]) if plan.command else ""
        self._channel, theirs = socket.socketpair()
        self.report = self._channel.fileno()
        self.out, write_out = os.pipe()
        stderr = os.dup(2)
        with contextlib.suppress(OSError):
            fcntl.fcntl(self.out, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        argv = [perf, "trace", "--no-syscalls", "--time"]
        argv += [option for option in _OPTIONAL if option.removeprefix("--") not in without]
        argv += [*_wishes(plan, events), "--", sys.executable, "-I", "-S", str(Path(holder.__file__))]
        argv += [str(theirs.fileno()), str(stderr), str(os.getpgrp())]
        try:
            pid = spawn_tied(
                argv,
                stdio=(0, 1, write_out),
                keep=(theirs.fileno(), stderr),
                env={**os.environ, "PERF_CONFIG": os.devnull},
                new_session=False,
            )
        finally:
            theirs.close()
            os.close(write_out)
            os.close(stderr)
        self.process = Process(pid)

    def hear(self) -> bool:
        """Take what the holder says; False at its end."""
        said = os.read(self.report, 4096)
        self.ready = self.ready or b"ready" in said
        return bool(said)

    def release(self) -> Process | None:
        """Start the command. Raises CommandNotFoundError, CommandNotExecutableError, CaptureError."""
        if not self._words:
            return None
        by_python = {signal.SIGPIPE, signal.SIGXFSZ}  # ignored by Python itself, not by who started us
        ignored = [n for n in signal.valid_signals() - by_python if signal.getsignal(n) is signal.SIG_IGN]
        order = {
            "path": [self._path],
            "command": list(self._words),
            "ignored": [str(int(number)) for number in ignored],
            "blocked": [str(int(number)) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
            "names": list(os.environ.keys()),
            "values": list(os.environ.values()),
        }
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        try:
            pid, number = self._send(order)
        finally:
            prctl(PR_SET_CHILD_SUBREAPER, 0)
        command = Process(pid)
        if number:
            command.wait()
            raise exec_error(self._words[0], number)
        return command

    def _send(self, order: dict[str, list[str]]) -> tuple[int, int]:
        self._channel.setblocking(True)
        try:
            self._channel.sendall(json.dumps(order).encode() + b"\n")
            answer = self._channel.recv(64)
        except OSError:
            answer = b""
        finally:
            self._channel.setblocking(False)
        if not answer:
            raise CaptureError("perf trace, or what it ran for us, was killed before the command started: try again")
        pid, number = map(int, answer.split())
        return pid, number

    def beat(self) -> None:
        """Nothing: perf trace writes each event as it comes."""

    def ask_end(self) -> None:
        """End perf's workload: perf writes the rest and ends."""
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the descriptors; perf must have ended."""
        self._channel.close()
        os.close(self.out)
        self.process.close()


def _wishes(plan: Plan, events: tuple[str, ...]) -> list[str]:
    argv: list[str] = []
    if plan.system_wide or not plan.command:
        # Left alone, perf hides the sshd or terminal above it, and their packets. Naming any process stops that.
        argv += ["--all-cpus", f"--filter-pids={_KTHREADD}"]
    for event in events:
        argv += ["--event", perf_name(event), *filtered(plan, event)]
    if plan.buffer is not None:
        argv += ["--mmap-pages", plan.buffer]
    return [*argv, *plan.options]
