"""The header of perf.data: in which byte order it was written, and where its sections are (struct perf_file_header)."""

from __future__ import annotations

from dataclasses import dataclass

from perfpath.errors import InputError
from perfpath.readers.perfdata.cursor import Cursor
from perfpath.readers.perfdata.records import Feature

MAGIC = b"PERFILE2"
PIPE_HEADER_SIZE = 16
FILE_HEADER_SIZE = 104


@dataclass(frozen=True, slots=True)
class Section:
    """Bytes of the file."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Header:
    """Where things are: attrs (entries of attr_size bytes), data, and feature sections in the order of their bits."""

    order: str
    attr_size: int
    attrs: Section
    data: Section
    features: tuple[int, ...]


def byte_order(head: bytes, path: str) -> tuple[str, int]:
    """The byte order and the header's size, from the first 16 bytes; InputError where it isn't perf.data."""
    magic = head[:8]
    order = {MAGIC: "<", MAGIC[::-1]: ">"}.get(magic)
    # the magic is written as a u64: a big-endian machine writes the letters in reverse
    if order is None:
        raise InputError(f"{path}: not perf.data: byte 0 should be {MAGIC.decode()}, found {magic!r}")
    return order, Cursor(head[8:16], order, path, 8).u64()


def parse_header(head: bytes, path: str) -> Header:
    """The header of a perf.data file from its first FILE_HEADER_SIZE bytes."""
    order, size = byte_order(head, path)
    cursor = Cursor(head, order, f"{path}, header")
    if size < FILE_HEADER_SIZE or len(head) < FILE_HEADER_SIZE:
        cursor.position = 8
        raise cursor.fail(f"a header of at least {FILE_HEADER_SIZE} bytes, found {min(size, len(head))}")
    cursor.take(16)
    attr_size = cursor.u64()
    attrs = Section(cursor.u64(), cursor.u64())
    data = Section(cursor.u64(), cursor.u64())
    cursor.take(16)  # event types: no longer written
    return Header(order, attr_size, attrs, data, _features(cursor))


def _features(cursor: Cursor) -> tuple[int, ...]:
    """Set bits of a bitmap of 256. It is of C longs, so that a big-endian 32-bit machine has pairs of words swapped.

    As perf does (perf_header__adds_read), the words' size is told by HOSTNAME, which is always there.
    """
    words = [cursor.u64() for _ in range(4)]
    bits = sum(word << 64 * at for at, word in enumerate(words))
    if cursor.order == ">" and not bits >> Feature.HOSTNAME & 1:
        bits = sum(((word & 0xFFFFFFFF) << 32 | word >> 32) << 64 * at for at, word in enumerate(words))
    return tuple(bit for bit in range(256) if bits >> bit & 1)
