"""Signals while a session runs: the command decides what its Ctrl-C means, and we outlive it to say what was seen."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from perfpath.capture.child import Process

KEYBOARD = (signal.SIGINT, signal.SIGQUIT)
FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Signals:
    """Handlers that note what came; the session's loop acts on it.

    While the command lives, the keyboard's signals are its own (it shares our process group, so the terminal sends
    them to both) and the others are forwarded. Without a living command the first one ends the trace (`stop`), the
    second one ends it at once (`abort`).
    """

    def __init__(self, command: Callable[[], Process | None]) -> None:
        """command: gives the running command, None without one."""
        self._command = command
        self._before: dict[int, object] = {}
        self.stop = False
        self.abort = False
        self.last: int | None = None

    def install(self) -> None:
        """Take the signals, but those that whoever started us wants ignored; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (*KEYBOARD, *FORWARDED):
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN and before is not None:
                self._before[number] = before
                signal.signal(number, self._handle)

    def restore(self) -> None:
        """Give the signals back."""
        while self._before:
            number, before = self._before.popitem()
            signal.signal(number, before)  # type: ignore[arg-type]

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.last = number
        command = self._command()
        if command is not None and command.poll() is None:
            if number in FORWARDED or not from_terminal():
                command.send(number)
        else:
            self.abort = self.stop
            self.stop = True


def from_terminal() -> bool:
    """True where our process group has the terminal, so that its keys' signals reach the command without us."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
