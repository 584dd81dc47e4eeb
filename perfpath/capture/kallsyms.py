"""The running kernel's symbols: /proc/kallsyms, read when the first address is asked for.

Only root sees addresses there (kernel.kptr_restrict); others see zeros, and nothing is named then. Its lines begin with
the address in fixed width, almost in order already, and stay as they are: parsing them all would take half a second.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from operator import itemgetter
from pathlib import Path

KALLSYMS = Path("/proc/kallsyms")
LONGEST = 1 << 20  # bytes; an address so far behind a symbol belongs to something that has none
CODE = b"tTwW"
_DIGITS = itemgetter(slice(0, 16))


class Kallsyms:
    """Names of the running kernel's code addresses."""

    def __init__(self, path: Path = KALLSYMS) -> None:
        self._path = path
        self._lines: list[bytes] | None = None
        self._reader: threading.Thread | None = None

    def begin(self) -> None:
        """Read them meanwhile: the kernel takes a tenth of a second to write them down."""
        self._reader = threading.Thread(target=self._fill, name="perfpath-kallsyms", daemon=True)
        self._reader.start()

    def _fill(self) -> None:
        self._lines = self._read()

    def text(self, address: int) -> str | None:
        """`ping_rcv+0xab`, with the module in brackets behind; None where it isn't known."""
        if self._reader is not None:
            self._reader.join()
        if self._lines is None:
            self._lines = self._read()
        at = bisect_right(self._lines, b"%016x" % address, key=_DIGITS) - 1
        while at >= 0 and self._lines[at][17:18] not in CODE:
            at -= 1
        if at < 0:
            return None
        at = bisect_left(self._lines, _DIGITS(self._lines[at]), 0, at, key=_DIGITS)  # of several names the first
        while self._lines[at][17:18] not in CODE:
            at += 1
        start, _, name, *module = self._lines[at].decode("utf-8", "backslashreplace").split()
        offset = address - int(start, 16)
        if offset > LONGEST or not int(start, 16):
            return None
        return " ".join([f"{name}+{offset:#x}", *module])

    def _read(self) -> list[bytes]:
        try:
            lines = self._path.read_bytes().split(b"\n")
        except OSError:
            return []
        lines = [line for line in lines if line[16:17] == b" "]  # a 32-bit kernel's are shorter: no names there
        lines.sort(key=_DIGITS)
        return lines
