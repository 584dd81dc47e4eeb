"""One trace from start to end: perf, the traced command, the stream between, and everybody's end."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Self

from perfpath.capture.fork import fill_stdio
from perfpath.capture.launch import Launcher
from perfpath.capture.plan import Plan
from perfpath.capture.signals import Signals
from perfpath.diagnostics import Diagnostics
from perfpath.errors import CaptureError
from perfpath.escape import visible

if TYPE_CHECKING:
    from perfpath.capture.child import Process
    from perfpath.capture.stream import Stream

__all__ = ["Plan", "Session"]

BEAT = 0.05
"""Seconds between heartbeats: what a packet waits at most before it is seen."""
_TICK = 0.05  # where the kernel has no pidfd, how long the command's end may go unnoticed
_START_SECONDS = 60.0
_MOMENT = 0.5  # perf may notice the command's end this much earlier than we do
_PATIENCE = ((1.0, signal.SIGINT), (4.0, signal.SIGKILL))  # seconds after perf was asked to end


class Session:
    """A context manager: `start`, then `read` until it gives None; leaving it leaves nothing behind.

    diagnostics: what went wrong beside the stream.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.diagnostics = Diagnostics()
        self._signals = Signals(lambda: self._command)
        self._launcher: Launcher | None = None
        self._stream: Stream | None = None
        self._command: Process | None = None
        self._released = False
        self._over = False
        self._outlived = False  # the command has outlived perf
        self._next_beat = 0.0
        self._command_ended: float | None = None
        self._asked: float | None = None  # when perf was asked to end

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def backend(self) -> str:
        """The backend in use: "record" or "trace". Certain once `release` has returned, as `format` and `why` are."""
        return self._running.backend.name

    @property
    def format(self) -> str:
        """What the bytes are: "perf.data pipe" or "perf trace"."""
        return self._running.backend.format

    @property
    def why(self) -> str:
        """One line on why "auto" had to fall back, "" where it hadn't."""
        return self._launcher.why if self._launcher else ""

    @property
    def perf(self) -> str:
        """The path of the perf in use, "" before the start."""
        return self._launcher.perf if self._launcher else ""

    @property
    def child_status(self) -> int | None:
        """The command's exit status as a shell has it, None while it lives or where there is none."""
        return None if self._command is None else self._command.poll()

    @property
    def followed(self) -> int | None:
        """The pid of the command whose flows are followed, None where they aren't (certain after `release`)."""
        command = self._command
        return command.pid if self.plan.following and self.backend == "record" and command is not None else None

    @property
    def child(self) -> tuple[int, str] | None:
        """The command's (pid, name it was executed by); None before its release and where there is none."""
        return None if self._command is None else (self._command.pid, os.path.basename(self.plan.command[0]))  # noqa: PTH119

    @property
    def last_signal(self) -> int | None:
        """The last signal that perfpath got since the command was released."""
        return self._signals.last

    @property
    def _running(self) -> Stream:
        if self._stream is None:
            raise RuntimeError("the session isn't running")
        return self._stream

    def start(self) -> None:
        """Find what is needed and start perf; returns while perf is still starting up.

        Raises CaptureError, CommandNotFoundError, CommandNotExecutableError; the command has not run then.
        """
        fill_stdio()
        self._launcher = Launcher(self.plan, self.diagnostics)
        self._stream = self._launcher.launch()

    def release(self) -> None:
        """Wait until perf watches, then let the command run; the first `read` does it too. Raises as `start`."""
        limit = time.monotonic() + _START_SECONDS
        while not self._released:
            stream = self._running
            if stream.backend.ready:
                self._let_go(stream)
            elif stream.backend.process.poll() is not None:
                self._relaunch(stream)
            elif time.monotonic() > limit:
                raise CaptureError(
                    f"{visible(self.perf)} was started and doesn't answer: name another with --perf PATH"
                )
            else:
                stream.pump(_TICK)

    def read(self, timeout: float) -> bytes | None:
        """The next bytes of the stream: b"" where it is silent for `timeout` seconds, None at its end.

        Also keeps perf's heart beating and ends the trace when the command has ended, so call it again soon.
        """
        self.release()
        stream = self._running
        deadline = time.monotonic() + timeout
        while True:
            now = time.monotonic()
            over = self._over or self._is_over(stream, now)
            if data := stream.taken():
                return data
            if over:
                self._finish(stream)
                return None
            if now >= deadline:
                return b""
            stream.pump(min(deadline - now, _TICK))

    def stop(self) -> None:
        """Ask perf to end; its stream goes on until `read` gives None."""
        if self._asked is None and self._stream is not None:
            self._asked = time.monotonic()
            self._stream.backend.ask_end()

    def end(self) -> None:
        """Ask perf and the command to end (SIGTERM); the stream goes on until `read` gives None."""
        self.stop()
        if self._command is not None and self._command.poll() is None:
            self._command.send(signal.SIGTERM)

    def close(self) -> None:
        """End what still runs. The command, where it still lives, gets a SIGTERM: nobody would watch it any more."""
        if self._stream is not None:
            self._stream.end()
            self._stream = None
        if self._command is not None:
            self._command.send(signal.SIGTERM)
            self._command.close()
        if self._launcher is not None:
            self._launcher.close()
        self._signals.restore()

    def _relaunch(self, stream: Stream) -> None:
        words = stream.last_words()
        stream.end()
        self._stream = None
        if self._launcher is not None:
            self._stream = self._launcher.relaunch(words)

    def _let_go(self, stream: Stream) -> None:
        self._signals.install()
        self._command = command = stream.backend.release()
        self._released = True
        if command is None:
            return
        if command.pidfd >= 0:
            stream.watch(command.pidfd)
        if self._signals.stop and self._signals.last is not None:  # it came while the command was being let go
            self._signals.stop = False
            command.send(self._signals.last)

    def _is_over(self, stream: Stream, now: float) -> bool:
        """Do what is due at this time; True when the stream has ended and no command lives."""
        alive = self._command is not None and self._command.poll() is None
        if self._signals.abort:
            return True
        if stream.ended_at is not None:
            self._outlived = self._outlived or (alive and now > stream.ended_at + _MOMENT)
            return not alive
        if self._command is not None and not alive and self._command_ended is None:
            self._command_ended = now
        if self._signals.stop or (self._command_ended is not None and now >= self._command_ended + self.plan.grace):
            self.stop()
        if now >= self._next_beat:
            self._next_beat = now + BEAT
            stream.backend.beat()
        for patience, number in _PATIENCE:
            if self._asked is not None and now >= self._asked + patience:
                stream.backend.process.send(number)
        return False

    def _finish(self, stream: Stream) -> None:
        """Note, once, what perf said and whether it ended before its time."""
        if self._over:
            return
        self._over = True
        stream.words.feed(b"")
        for line in stream.words.lines:
            self.diagnostics.note("perf-said", "perf remarked something while it traced", example=line)
        if stream.ended_at is None or self._asked is not None:
            return
        status = stream.backend.process.wait()
        if status or self._outlived or self._command is None:
            self.diagnostics.note(
                "perf-ended",
                "perf ended before the trace was over: what came later was not seen",
                severity="error",
                example=f"signal {status - 128}" if status > 128 else f"exit status {status}",
            )
