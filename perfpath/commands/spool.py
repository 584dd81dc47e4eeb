"""What a command says while a screen is shown: kept in a file, its last lines on the screen, all of it afterwards."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING, Self

from perfpath.escape import visible

if TYPE_CHECKING:
    from io import BufferedRandom

LINES = 5
TAIL = 4096  # bytes that its last lines are looked for in


class Spool:
    """A file without a name that a command writes to in place of the terminal."""

    def __init__(self) -> None:
        self._file: BufferedRandom = tempfile.TemporaryFile()  # noqa: SIM115 - closed below

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Give the terminal what was kept from it."""
        self._file.seek(0)
        sys.stdout.flush()
        shutil.copyfileobj(self._file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        self._file.close()

    def fileno(self) -> int:
        """The descriptor for the command."""
        return self._file.fileno()

    def last(self) -> list[str]:
        """Its last lines, escaped."""
        size = os.fstat(self.fileno()).st_size
        tail = os.pread(self.fileno(), TAIL, max(size - TAIL, 0))
        lines = tail.decode("utf-8", "replace").splitlines()[-LINES:]
        return [visible(line.expandtabs()) for line in lines]
