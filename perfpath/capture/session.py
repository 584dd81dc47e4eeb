"""One trace from start to end: perf, the traced command, the stream between, and everybody's end."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol, Self

from perfpath.capture.child import GatedCommand, Process
from perfpath.capture.fork import fill_stdio
from perfpath.capture.plan import Plan
from perfpath.capture.probe import choose_events, existing, explain
from perfpath.capture.record import NEEDED, PIPE_BYTES, Recorder, unknown_option
from perfpath.capture.signals import Signals
from perfpath.capture.tool import find_perf
from perfpath.capture.words import Words
from perfpath.diagnostics import Diagnostics
from perfpath.errors import CaptureError
from perfpath.escape import visible

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Plan", "Session"]

BEAT = 0.05
"""Seconds between heartbeats: what a packet waits at most before it is seen. Half of it costs nothing more (FACTS)."""
_TICK = 0.05  # where the kernel has no pidfd, how long the command's end may go unnoticed
_START_SECONDS = 60.0
_MOMENT = 0.5  # perf may notice the command's end this much earlier than we do
_PATIENCE = (1.0, 4.0)  # seconds after the request to end: SIGINT, SIGKILL


class Backend(Protocol):
    """A perf that is starting or running.

    out: its stream. err: its own words, None where they come on `out` as well. report: says when it is ready.
    """

    name: str
    format: str
    process: Process
    ready: bool
    out: int
    err: int | None
    report: int

    def hear(self) -> bool:
        """Take what came on `report`; False at its end."""

    def release(self) -> Process | None:
        """Let the command run, if there is one. Raises CommandNotFoundError, CommandNotExecutableError."""

    def beat(self) -> None:
        """Make perf write what it has."""

    def ask_end(self) -> None:
        """Make perf write the rest and end."""

    def close(self) -> None:
        """Close the descriptors; perf must have ended."""


class Session:
    """A context manager: `start`, then `read` until it gives None; `close` leaves nothing behind.

    backend and format say what was chosen, why in one line where "auto" had to fall back; diagnostics hold what went
    wrong beside the stream.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.why = ""
        self.diagnostics = Diagnostics()
        self._signals = Signals(lambda: self._command)
        self._selector = selectors.DefaultSelector()
        self._backend: Backend | None = None
        self._gate: GatedCommand | None = None
        self._command: Process | None = None
        self._words = Words()
        self._chunks: deque[bytes] = deque()
        self._without: frozenset[str] = frozenset()
        self._wanted = plan.backend
        self._events: tuple[str, ...] = ()
        self._perf = ""
        self._released = False
        self._ended, self._ended_at = False, 0.0  # perf's stream has
        self._over = False
        self._outlived = False  # the command has outlived perf
        self._next_beat = 0.0
        self._command_ended: float | None = None
        self._asked: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def backend(self) -> str:
        """The backend in use: "record" or "trace"."""
        return self._running.name

    @property
    def format(self) -> str:
        """What the bytes are: "perf.data pipe" or "perf trace"."""
        return self._running.format

    @property
    def perf(self) -> str:
        """The perf in use."""
        return self._perf

    @property
    def child_status(self) -> int | None:
        """The command's exit status as a shell has it, None while it lives or where there is none."""
        return None if self._command is None else self._command.poll()

    @property
    def interrupted(self) -> int | None:
        """The last signal that came for us since the command was released."""
        return self._signals.last

    @property
    def _running(self) -> Backend:
        if self._backend is None:
            raise RuntimeError("the session was not started")
        return self._backend

    def start(self) -> None:
        """Find what is needed and start perf; returns while perf is still starting up.

        Raises CaptureError, CommandNotFoundError, CommandNotExecutableError; the command has not run then.
        """
        fill_stdio()
        self._perf = find_perf(self.plan.perf)
        self._events = choose_events(self.plan.events, self.diagnostics)
        self._launch()

    def release(self) -> None:
        """Wait until perf watches, then let the command run; the first `read` does it too. Raises as `start`."""
        limit = time.monotonic() + _START_SECONDS
        while not self._released:
            if self._running.ready:
                self._let_go()
            elif self._running.process.poll() is not None:
                self._recover()
            elif time.monotonic() > limit:
                raise CaptureError(
                    f"{visible(self._perf)} was started and doesn't answer: name another one with --perf PATH"
                )
            else:
                self._pump(_TICK)

    def _let_go(self) -> None:
        self._signals.install()
        self._command = self._running.release()
        self._released = True
        if self._command is None:
            return
        if self._command.pidfd >= 0:
            self._selector.register(self._command.pidfd, selectors.EVENT_READ, lambda _: False)
        if self._signals.stop and self._signals.last is not None:  # it came while the command was being let go
            self._signals.stop = False
            self._command.send(self._signals.last)

    def read(self, timeout: float) -> bytes | None:
        """The next bytes of the stream: b"" where it is silent for `timeout` seconds, None at its end.

        Also keeps perf's heart beating and ends the trace when the command has ended, so call it again soon.
        """
        self.release()
        deadline = time.monotonic() + timeout
        while True:
            if self._chunks:
                data = b"".join(self._chunks)
                self._chunks.clear()
                return data
            now = time.monotonic()
            if self._over or self._is_over(now):
                self._finish()
                return None
            if now >= deadline:
                return b""
            self._pump(min(deadline, now + _TICK) - now)

    def stop(self) -> None:
        """Ask perf to end; its stream goes on until `read` gives None."""
        if self._asked is None and self._backend is not None:
            self._asked = time.monotonic()
            self._backend.ask_end()

    def close(self) -> None:
        """End what still runs. The command, where it still lives, gets a SIGTERM: nobody would watch it any more."""
        if self._backend is not None:
            self._end_perf(self._backend)
        if self._command is not None:
            self._command.send(signal.SIGTERM)
            self._command.close()
        if self._gate is not None:
            self._gate.close()
        self._selector.close()
        self._signals.restore()

    # -- perf's start ------------------------------------------------------------------------------------------------

    def _launch(self) -> None:
        """Start perf by the backend that is wanted, and watch what it says."""
        self._words, self._ended = Words(), False
        self._chunks.clear()
        backend = self._backend = self._tracer() if self._wanted == "trace" else self._recorder()
        self._watch(backend.out, self._take)
        if backend.err is not None:
            self._watch(backend.err, self._listen)
        self._watch(backend.report, self._hear)

    def _recorder(self) -> Backend:
        if self.plan.command and self._gate is None:
            self._gate = GatedCommand(self.plan.command)
        return Recorder(self._perf, self.plan, self._events, self._gate, self._without)

    def _tracer(self) -> Backend:
        from perfpath.capture.trace import Tracer  # rarely used, and start-up counts

        if self._gate is not None:
            self._gate.close()
            self._gate = None
        if self.plan.callchains:
            self.diagnostics.note("no-callchains", "perf trace is used, which gives no call stacks with the events")
        return Tracer(self._perf, self.plan, self._events, self._without)

    def _recover(self) -> None:
        """Perf ended before it was ready: start it again in a way that it can, or raise what is wrong."""
        backend = self._running
        self._hear_out(backend)
        words = self._words.lines
        option = next(filter(None, map(unknown_option, words)), None)
        events = existing(self._events)
        if option == NEEDED and self._wanted != "trace":
            self._fall_back()
        elif option is not None and option not in self._without:
            self._without |= {option}
            self.diagnostics.note(
                "old-perf",
                "this perf lacks options that perfpath uses; it goes without them",
                severity="info",
                example=f"--{option}",
            )
        elif events != self._events:
            self._events = choose_events(self._events, self.diagnostics)
        else:
            raise explain(words, self._perf)
        self._end_perf(backend)
        self._launch()

    def _hear_out(self, backend: Backend) -> None:
        """Read what a perf that has ended left in its pipes."""
        backend.ask_end()
        limit = time.monotonic() + _PATIENCE[0]
        while self._selector.get_map() and time.monotonic() < limit:
            self._pump(_TICK)
        self._words.feed(b"")

    def _fall_back(self) -> None:
        self.why = f"{visible(self._perf)} has no --control, so its recording can't be followed live"
        if self._wanted == "record":
            raise CaptureError(f"{self.why}: use --backend trace, or a perf of version 5.9 or later (--perf PATH)")
        self._wanted = "trace"

    # -- the loop ----------------------------------------------------------------------------------------------------

    def _watch(self, fd: int, action: Callable[[int], bool]) -> None:
        os.set_blocking(fd, False)
        self._selector.register(fd, selectors.EVENT_READ, action)

    def _pump(self, timeout: float) -> None:
        """Wait for something to happen, and take what did. An action gives False when its descriptor is done."""
        for key, _ in self._selector.select(timeout):
            if not key.data(key.fd):
                self._selector.unregister(key.fd)

    def _take(self, fd: int) -> bool:
        data = os.read(fd, PIPE_BYTES)
        if not data:
            self._ended, self._ended_at = True, time.monotonic()
            return False
        backend = self._running
        if backend.err is None:
            data = self._words.rest() + data if backend.ready else self._words.sift(data)
        if data:
            self._chunks.append(data)
        return True

    def _listen(self, fd: int) -> bool:
        data = os.read(fd, PIPE_BYTES)
        self._words.feed(data)
        return bool(data)

    def _hear(self, fd: int) -> bool:  # noqa: ARG002 - the backend knows it
        return self._running.hear()

    def _is_over(self, now: float) -> bool:
        """Do what is due at this time; True when the stream has ended and no command lives."""
        command = self._command
        alive = command is not None and command.poll() is None
        if command is not None and not alive and self._command_ended is None:
            self._command_ended = now
        if self._signals.abort:
            return True
        if self._ended:
            self._outlived = self._outlived or (alive and now > self._ended_at + _MOMENT)
            return not alive
        if now >= self._next_beat:
            self._next_beat = now + BEAT
            self._running.beat()
        due = self._command_ended is not None and now >= self._command_ended + self.plan.grace
        if due or self._signals.stop:
            self.stop()
        self._insist(now)
        return False

    def _finish(self) -> None:
        """Note, once, what perf said and whether it ended before its time."""
        if self._over:
            return
        self._over = True
        self._words.feed(b"")
        for line in self._words.lines:
            self.diagnostics.note("perf-said", "perf remarked something while it traced", example=line)
        if not self._ended or self._asked is not None:
            return
        status = self._running.process.wait()
        if status or self._outlived or self._command is None:
            how = f"signal {status - 128}" if status > 128 else f"exit status {status}"
            self.diagnostics.note(
                "perf-ended",
                "perf ended before the trace was over: what came later was not seen",
                severity="error",
                example=how,
            )

    def _insist(self, now: float) -> None:
        """End a perf that was asked to and doesn't."""
        if self._asked is None:
            return
        for patience, number in zip(_PATIENCE, (signal.SIGINT, signal.SIGKILL), strict=True):
            if now >= self._asked + patience:
                self._running.process.send(number)

    def _end_perf(self, backend: Backend) -> None:
        for key in list(self._selector.get_map().values()):
            self._selector.unregister(key.fd)
        if not self._ended:
            backend.process.send(signal.SIGKILL)
        backend.process.wait()
        backend.close()
        self._backend = None
