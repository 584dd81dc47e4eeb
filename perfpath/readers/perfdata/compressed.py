"""Recordings made with `perf record -z`: one zstd stream over all compressed records (tools/perf/util/zstd.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from perfpath.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE = 1 << 16
"""Compressed bytes are fed in pieces of at most 64 KiB, and what they expand to is handed on before the next."""
RATIO = 256
"""A piece is cut so that even at this ratio it expands to at most 256 pieces' worth; perf's records reach about 50."""


class _Stream(Protocol):
    def decompress(self, data: bytes) -> bytes: ...


class Decompressor:
    """Decompresses the records of one recording in sequence, never much at once.

    Raises InputError where no zstd library is installed.
    """

    def __init__(self) -> None:
        self._stream, self._error = _open()
        self.stopped = False
        """Whether a piece is missing: what refers back to it would be other bytes than were written."""

    def pieces(self, data: memoryview, at: int) -> Iterator[bytes]:
        """What a record's bytes expand to. Raises InputError where they aren't zstd; then nothing more is expanded."""
        if self.stopped:
            return
        step = PIECE // RATIO
        for start in range(0, len(data), step):
            try:
                piece = self._stream.decompress(bytes(data[start : start + step]))
            except self._error as error:
                self.stopped = True
                raise InputError(f"byte {at}: compressed data is damaged, nothing after it is read: {error}") from error
            if piece:
                yield piece


def _open() -> tuple[_Stream, type[Exception]]:
    """A decompressor and the exception it raises."""
    try:
        import zstandard
    except ImportError:
        pass
    else:
        return zstandard.ZstdDecompressor().decompressobj(), zstandard.ZstdError
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore] # Python 3.14
    except ImportError:
        raise InputError(
            "the recording is compressed (perf record -z), which takes a zstd library: pip install 'perfpath[zstd]'"
        ) from None
    return zstd.ZstdDecompressor(), zstd.ZstdError
