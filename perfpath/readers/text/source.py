"""A text recording opened for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfpath.errors import InputError
from perfpath.readers.text.decoder import TextDecoder

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from perfpath.diagnostics import Diagnostics
    from perfpath.firstbytes import FirstBytes
    from perfpath.readers.recording import Info
    from perfpath.tables import Names, Table

BLOCK = 1 << 22
HOLD_NS = 1_000_000_000
"""perf trace writes what it found in one CPU's buffer, then the next one's: a file read in pieces may wait longer for
what comes late than a screen does."""


class TextSource:
    """A `Source` of text.

    stream: read to its end, once; batch_bytes: give EVENTS whenever about so much text was read, None for all in one.
    """

    def __init__(self, stream: io.RawIOBase, path: str = "-", *, batch_bytes: int | None = None) -> None:
        self._stream = stream
        self._batch_bytes = batch_bytes
        self._decoder = TextDecoder(path, hold_ns=HOLD_NS)
        self.info: Info = self._decoder.info
        self.diagnostics: Diagnostics = self._decoder.diagnostics
        self.names: dict[str, Names] = self._decoder.names
        self.packets: FirstBytes = self._decoder.packets

    def batches(self) -> Iterator[Table]:
        """EVENTS in time order; at least one table, which may be empty. Raises InputError for text of another kind."""
        fresh, given = 0, False
        with self._stream:
            while block := self._read(min(BLOCK, self._batch_bytes or BLOCK)):
                self._decoder.feed(block)
                fresh += len(block)
                if self._batch_bytes is not None and fresh >= self._batch_bytes:
                    fresh = 0
                    table = self._decoder.take()
                    if len(table):
                        given = True
                        yield table
            rest = self._decoder.close()
        if len(rest) or not given:
            yield rest

    def _read(self, count: int) -> bytes:
        try:
            return self._stream.read(count) or b""
        except OSError as error:
            raise InputError(f"{self.info.path}: reading it failed: {error.strerror}.") from None
