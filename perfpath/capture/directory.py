"""A capture on disk: a directory with all that a later analysis needs, on any machine, without root.

DIR/perf.data       what perf recorded, in pipe mode: it can be read however the recording ended
DIR/trace.txt       the same from perf trace, where that was the backend
DIR/packets.pcapng  what packet sockets saw, where they were used; Wireshark opens it
DIR/inventory.json  namespaces and interfaces, as they were while it was recorded; written anew when they change
DIR/verdicts.jsonl  what nftables' trace rules told, where --decisions asked for it
DIR/capture.json    versions, command; at the end also losses: where `ended` is null the recording was interrupted
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from perfpath.errors import OutputError
from perfpath.escape import visible

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT_VERSION = 1
RESERVED = 1 << 18
"""Bytes kept free on a disk that may fill up, for the files that are written last."""
STREAMS = {"record": "perf.data", "trace": "trace.txt"}


FILES = {
    *STREAMS.values(),
    "packets.pcapng",
    "inventory.json",
    "symbols.json",
    "verdicts.jsonl",
    "capture.json",
}
NEW = ".new"  # what a file is called until it is whole


class CaptureDirectory:
    """A capture being written. The directory is its owner's alone (0700, files 0600).

    force: a capture that is there already is replaced, once there is something to write. Raises OutputError where it
    exists and is not empty (with force: holds anything but a capture), or can't be written.
    """

    def __init__(self, path: str, *, force: bool = False) -> None:
        self.path = Path(path)
        self.size = 0  # bytes of the stream
        self._stream = -1
        self._written = False
        try:
            self._made = not self.path.exists()
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._old = [each.name for each in self.path.iterdir()]
            strange = sorted(set(self._old) - FILES - {name + NEW for name in FILES})
            if strange and force:
                raise OutputError(
                    f"{visible(path)} holds what is no capture ({visible(strange[0])}): it isn't replaced"
                )
            if self._old and not force:
                raise OutputError(f"{visible(path)} is not empty: name a new directory, or replace it with --force")
            self._reserve = _reserved(self.path)
        except OSError as error:
            raise self._failed(error) from error

    def begin(self, backend: str) -> None:
        """Open the file for a backend's stream."""
        self._stream = self._open(STREAMS[backend])

    def write(self, data: bytes) -> None:
        """Append to the stream's file."""
        try:
            _write_all(self._stream, data)
            self.size += len(data)
        except OSError as error:
            raise self._failed(error) from error

    def save(self, name: str, text: str) -> None:
        """Write one of the small files, or write it anew: at any moment the old one or the new one is there, whole."""
        new = name + NEW
        descriptor = self._open(new)
        try:
            try:
                _write_all(descriptor, text.encode("utf-8", "surrogatepass"))
            finally:
                os.close(descriptor)
            (self.path / new).replace(self.path / name)
        except OSError as error:
            with contextlib.suppress(OSError):
                (self.path / new).unlink()
            raise self._failed(error) from error

    def say(self, facts: Mapping[str, Any]) -> None:
        """Write capture.json."""
        self.save("capture.json", json.dumps({"format_version": FORMAT_VERSION, **facts}, indent=1) + "\n")

    def file(self, name: str) -> BinaryIO:
        """One of the other files, to be written bit by bit."""
        return os.fdopen(self._open(name), "wb")

    def end(self) -> None:
        """Close the stream, and give the small files the room that was kept for them."""
        if self._stream >= 0:
            os.close(self._stream)
            self._stream = -1
        self._reserve.close()

    def close(self) -> None:
        """Close the stream's file; what was written stays. Where nothing was, the directory goes, were it ours."""
        self.end()
        if self._made and not self._written:
            with contextlib.suppress(OSError):  # somebody else has written there
                self.path.rmdir()

    def _open(self, name: str) -> int:
        try:
            while self._old:
                (self.path / self._old.pop()).unlink()
            self._written = True
            return os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(f"the capture can't be written to {visible(str(self.path))}: {error.strerror}")


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _reserved(place: Path) -> BinaryIO:
    """A file without a name that takes room on the disk until it is closed, also by our death."""
    reserve = tempfile.TemporaryFile(dir=place)  # noqa: SIM115 - closed when its room is needed
    try:
        os.posix_fallocate(reserve.fileno(), 0, RESERVED)
    except OSError:  # what fits: a disk as full as that will be noticed soon
        os.truncate(reserve.fileno(), 0)
    return cast("BinaryIO", reserve)
