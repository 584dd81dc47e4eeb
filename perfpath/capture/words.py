"""perf's own words: which lines of its stderr say something, and which are chatter."""

from __future__ import annotations

_CHATTER = ("[ perf record:", "Events enabled", "Events disabled", "Run 'perf list'", "Usage: perf", "or: perf")


class Words:
    """Lines from a stream of bytes, without chatter."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take some more bytes; an empty piece is the end."""
        *whole, self._rest = (self._rest + (data or b"\n")).split(b"\n")
        self.lines += [
            text for line in whole if (text := line.decode(errors="surrogateescape").strip()) and _says(text)
        ]


def _says(line: str) -> bool:
    return not line.startswith(_CHATTER)
