"""Keys pressed while a screen is shown, read one by one from the terminal that controls us."""

from __future__ import annotations

import os
import select
import signal
import termios
import threading
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TERMINAL = "/dev/tty"
_listeners: list[Callable[[str], None]] = []


def on_key(listener: Callable[[str], None]) -> None:
    """Tell somebody of each key from now on (q is taken: it ends the trace as Ctrl-C does)."""
    _listeners.append(listener)


@contextmanager
def watched_keys() -> Iterator[None]:
    """Read keys while the block runs; nothing happens where there is no terminal, or it isn't ours to read."""
    try:
        terminal = os.open(TERMINAL, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        if os.tcgetpgrp(terminal) != os.getpgrp() or not os.isatty(2):
            yield
            return
        before = termios.tcgetattr(terminal)
        done, wake = os.pipe()
        thread = threading.Thread(target=_read, args=(terminal, done), daemon=True)
        tty.setcbreak(terminal)
        thread.start()
        try:
            yield
        finally:
            os.write(wake, b".")
            thread.join()
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
            os.close(done)
            os.close(wake)
            _listeners.clear()
    finally:
        os.close(terminal)


def _read(terminal: int, done: int) -> None:
    while True:
        ready, _, _ = select.select([terminal, done], [], [])
        if done in ready:
            return
        key = os.read(terminal, 1).decode("ascii", "replace")
        if key == "q":
            os.killpg(os.getpgrp(), signal.SIGINT)  # as the terminal does for Ctrl-C: the command ends too
        for listener in _listeners:
            listener(key)
