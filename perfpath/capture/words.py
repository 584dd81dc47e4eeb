"""perf's own words: which lines of its stderr say something, and which are chatter."""

from __future__ import annotations

import re

_CHATTER = (
    "[ perf record:",
    "Events enabled",
    "Events disabled",
    "Run 'perf list'",
    "Usage: perf",
    "or: perf",
    "\\___",  # the arm that points at a part of the line above
)
_EVENT = re.compile(rb" *\d+\.\d{3} |LOST \d+ events")


class Words:
    """Lines from a stream of bytes, without chatter."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take some more bytes; an empty piece is the end."""
        *whole, self._rest = (self._rest + (data or b"\n")).split(b"\n")
        for line in whole:
            self._keep(line)

    def sift(self, data: bytes) -> bytes:
        """Take bytes of `perf trace`'s stderr; gives back what are lines of events, whole ones only."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        events = [line for line in whole if _EVENT.match(line)]
        for line in whole:
            if not _EVENT.match(line):
                self._keep(line)
        return b"".join(line + b"\n" for line in events)

    def rest(self) -> bytes:
        """What a line of was begun; it is given back and no more ours."""
        rest, self._rest = self._rest, b""
        return rest

    def _keep(self, line: bytes) -> None:
        text = " ".join(line.decode(errors="surrogateescape").split())
        if text.strip("-^ ") and not text.startswith(_CHATTER):
            self.lines.append(text)
