"""The one bounds-checked way through bytes that somebody else wrote."""

from __future__ import annotations

import struct

from perfpath.errors import InputError


class Cursor:
    """Reads numbers and strings in sequence; every read past the end is an InputError that says where.

    order: "<" or ">". where: the section's name, for messages; base: the offset of data[0] in the file.
    """

    __slots__ = ("base", "data", "order", "position", "where")

    def __init__(self, data: bytes | memoryview, order: str, where: str, base: int = 0) -> None:
        self.data = memoryview(data)
        self.order = order
        self.where = where
        self.base = base
        self.position = 0

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self.data) - self.position

    def fail(self, expected: str) -> InputError:
        """The error for what was found at the current position."""
        return InputError(f"{self.where}, byte {self.base + self.position}: expected {expected}")

    def take(self, size: int) -> memoryview:
        """The next `size` bytes."""
        if size < 0 or size > self.left:
            raise self.fail(f"{size} more bytes, found {self.left}")
        start = self.position
        self.position = start + size
        return self.data[start : self.position]

    def _number(self, code: str, size: int) -> int:
        value: int = struct.unpack(self.order + code, self.take(size))[0]
        return value

    def u8(self) -> int:
        """One byte."""
        return self.take(1)[0]

    def u16(self) -> int:
        """An unsigned 16-bit number."""
        return self._number("H", 2)

    def u32(self) -> int:
        """An unsigned 32-bit number."""
        return self._number("I", 4)

    def u64(self) -> int:
        """An unsigned 64-bit number."""
        return self._number("Q", 8)

    def zstring(self, limit: int = 65536) -> str:
        """Bytes up to a NUL, which is skipped."""
        window = bytes(self.data[self.position : self.position + limit])
        end = window.find(0)
        if end < 0:
            raise self.fail("a string's terminating NUL")
        self.position += end + 1
        return text(window[:end])

    def sized_string(self) -> str:
        """What perf's do_write_string writes: u32 size with padding, then the text and NULs."""
        return text(bytes(self.take(self.u32())).split(b"\0", 1)[0])


def text(raw: bytes) -> str:
    """Bytes of the kernel as a string; what isn't UTF-8 becomes surrogates, as in os.fsdecode."""
    return raw.decode("utf-8", "surrogateescape")
