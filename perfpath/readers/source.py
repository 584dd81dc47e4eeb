"""Opens any recording: a file, a directory, a pipe or standard input, text or perf.data."""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from perfpath.errors import InputError
from perfpath.readers.detect import HEAD, READABLE, Kind, kind_of, refusal
from perfpath.readers.text.source import BLOCK, TextSource

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from perfpath.readers.recording import Source

STDIN = 0
CAPTURE_MARK = "capture.json"
CAPTURE_DATA = "perf.data"
DIRECTORY_DATA = "data"
"""perf record's directory form has its header in this file (tools/perf/util/data.c)."""


def open_recording(path: str, *, batch_bytes: int | None = None) -> Source:
    """Open a recording.

    path: a perf.data file or directory, a capture directory of perfpath, a text file, a named pipe, or "-" (stdin).
    batch_bytes: read in pieces of about so many bytes of the recording; None reads all of it at once.
    Raises InputError with the path, what was found there and what to do.
    """
    try:
        if path == "-":
            return _open_stream(io.FileIO(STDIN, closefd=False), path, batch_bytes)
        if Path(path).is_dir():
            return _open_directory(Path(path), batch_bytes)
        return _open_stream(io.FileIO(path), path, batch_bytes)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file.") from None
    except PermissionError:
        raise InputError(
            f"{path}: you may not read it. Recordings made by root are root's: use sudo, or chown the file."
        ) from None
    except OSError as error:
        where = "standard input" if path == "-" else path
        raise InputError(f"{where}: it can't be opened: {error.strerror}.") from None


def _open_directory(place: Path, batch_bytes: int | None) -> Source:
    if (place / CAPTURE_DATA).is_file():
        return open_recording(str(place / CAPTURE_DATA), batch_bytes=batch_bytes)
    if (place / DIRECTORY_DATA).is_file():
        from perfpath.readers.perfdata import open_perfdata

        return open_perfdata(str(place), batch_bytes=batch_bytes)
    if (place / CAPTURE_MARK).exists():
        raise InputError(f"{place}: this capture has no {CAPTURE_DATA}: it was not finished, or not copied whole.")
    raise InputError(
        f"{place}: this is a directory without a recording: it holds neither {CAPTURE_DATA} (a capture of perfpath) "
        f"nor {DIRECTORY_DATA} (a perf.data directory). Name the file."
    )


def _open_stream(raw: io.RawIOBase, path: str, batch_bytes: int | None) -> Source:
    """What is open already: a regular file, a pipe, a terminal."""
    head = _read_head(raw, path)
    kind = kind_of(head)
    if kind not in READABLE:
        raw.close()
        raise refusal(kind, path)
    if kind is Kind.TEXT:
        return TextSource(_Rejoined(head, raw), path, batch_bytes=batch_bytes)
    if kind is Kind.PERFDATA_PIPE:
        from perfpath.readers.perfdata import open_pipe

        return _named(open_pipe(io.BufferedReader(_Rejoined(head, raw), BLOCK), batch_bytes=batch_bytes), path)
    from perfpath.readers.perfdata import open_perfdata

    if path != "-" and Path(path).is_file():
        raw.close()
        return open_perfdata(path, batch_bytes=batch_bytes)
    return _named(open_perfdata(_seekable(head, raw), batch_bytes=batch_bytes), path)


def _named(source: Source, path: str) -> Source:
    """A source that was opened as a stream, by the name its user knows."""
    source.info.path = path
    return source


def _read_head(raw: io.RawIOBase, path: str) -> bytes:
    """Enough bytes to tell what it is; fewer only where there are no more, or a text's writer pauses after a line."""
    head = b""
    try:
        while len(head) < HEAD and (part := raw.read(HEAD - len(head))):
            head += part
            if head.endswith(b"\n") and kind_of(head) is Kind.TEXT:
                break
    except OSError as error:
        raise InputError(f"{path}: it can't be read: {error.strerror}.") from None
    return head


def _seekable(head: bytes, raw: io.RawIOBase) -> BinaryIO:
    """A perf.data file has its parts in any order: one that comes through a pipe is laid down first."""
    if raw.seekable() and raw.tell() == len(head):
        raw.seek(0)
        return cast("BinaryIO", io.BufferedReader(raw, BLOCK))
    spool = tempfile.TemporaryFile()  # noqa: SIM115 - the source reads on from it
    spool.write(head)
    shutil.copyfileobj(cast("BinaryIO", raw), spool, BLOCK)
    spool.seek(0)
    return cast("BinaryIO", spool)


class _Rejoined(io.RawIOBase):
    """A stream with the bytes that were read from it put back."""

    def __init__(self, head: bytes, raw: io.RawIOBase) -> None:
        super().__init__()
        self._head = head
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        if not self._head:
            return self._raw.readinto(buffer)
        target = memoryview(buffer)
        count = min(len(target), len(self._head))
        target[:count] = self._head[:count]
        self._head = self._head[count:]
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
