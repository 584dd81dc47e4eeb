"""The command `perfpath`, also as `python -m perfpath`: signals that come before, or besides, what it does."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_INTERRUPTED = signal.getsignal(signal.SIGINT)
if _INTERRUPTED is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while the rest is imported, Ctrl-C just ends it

from perfpath.cli import main  # noqa: E402 - that is the rest


class Ended(BaseException):
    """A signal asked for the end: what was begun is cleaned up. number: which signal."""

    def __init__(self, number: int) -> None:
        self.number = number


def command() -> int:
    """Run perfpath; returns its exit status, or dies of the signal that ended it, when all is cleaned up."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end)
    signal.signal(signal.SIGINT, _INTERRUPTED)
    try:
        return main()
    except Ended as ended:
        signal.raise_signal(ended.number)
        return 128 + ended.number


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    signal.signal(number, signal.SIG_DFL)  # the second one ends it at once
    raise Ended(number)


if __name__ == "__main__":
    sys.exit(command())
