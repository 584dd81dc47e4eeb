"""pcapng to packets: what `write` writes, and no more of the format than that needs.

Blocks of other kinds are stepped over, so a file that Wireshark saved again is read too.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from perfpath.errors import InputError
from perfpath.packets import pcapng
from perfpath.packets.headers import ETHERNET, NETWORK, Headers
from perfpath.packets.pcapng import Interface

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from perfpath.diagnostics import Diagnostics
    from perfpath.tables import Array

WIDTH = 128


@dataclass(frozen=True, slots=True)
class Kept:
    """The packets of a file, in its order. All but `interfaces` have one entry for each.

    time_ns: int64, since 1970. interface: int32, into interfaces. directions: `tx`, `rx` or "".
    """

    headers: Headers
    time_ns: Array
    interface: Array
    directions: list[str]
    comments: list[str]
    interfaces: list[Interface]


def read(stream: BinaryIO, name: str, diagnostics: Diagnostics, width: int = WIDTH, *, salvage: bool = False) -> Kept:
    """Read a file; of each packet, `width` bytes at most.

    A file that ends within a block (its writer was killed) gives what is before it, and an error among the
    diagnostics; with `salvage` so does one that is damaged behind its first packet. Raises InputError, with the name
    and the byte offset, for what is no pcapng or contradicts itself.
    """
    reader = _Reader(name, width)
    try:
        for kind, offset, body in _blocks(stream, name, diagnostics):
            reader.block(kind, offset, body)
    except InputError as error:
        if not (salvage and reader.packets):
            raise
        message = "the packets' file is damaged: what comes behind that place is missing"
        diagnostics.note("pcapng-damaged", message, severity="error", example=str(error))
    return reader.kept()


def _blocks(stream: BinaryIO, name: str, diagnostics: Diagnostics) -> Iterator[tuple[int, int, bytes]]:
    """Kind, byte offset and body of each block."""
    offset = 0
    while head := stream.read(8):
        if len(head) == 8:
            kind, length = struct.unpack("<II", head)
            if offset == 0 and kind != pcapng.SECTION:
                raise InputError(f"{name}: not a pcapng file: it begins with {head[:4].hex(' ')}")
            if length < 12 or length % 4 or length > pcapng.MOST_BLOCK:
                raise InputError(f"{name}: byte {offset}: a pcapng block can't be {length} bytes long")
            rest = stream.read(length - 8)
        if len(head) < 8 or len(rest) < length - 8:
            diagnostics.note(
                "pcapng-cut",
                "the packets' file ends within a block: what came last is missing",
                severity="error",
                example=f"{name}: byte {offset}",
            )
            return
        if rest[-4:] != head[4:]:
            raise InputError(f"{name}: byte {offset + length - 4}: a block's two lengths differ")
        yield kind, offset, rest[:-4]
        offset += length


@dataclass(slots=True)
class _Reader:
    name: str
    width: int
    interfaces: list[Interface] = field(default_factory=list)
    section: int = 0
    packets: list[tuple[bytes, tuple[int, int, int, int]]] = field(default_factory=list)
    directions: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)

    def fail(self, offset: int, problem: str) -> InputError:
        return InputError(f"{self.name}: byte {offset}: {problem}")

    def block(self, kind: int, offset: int, body: bytes) -> None:
        """Take one block."""
        if kind == pcapng.SECTION:
            self._section(offset, body)
        elif kind == pcapng.INTERFACE:
            self._interface(offset, body)
        elif kind == pcapng.ENHANCED:
            self._packet(offset, body)

    def _section(self, offset: int, body: bytes) -> None:
        if len(body) < 16 or struct.unpack_from("<I", body)[0] != pcapng.BYTE_ORDER:
            raise self.fail(offset, "the section isn't little-endian pcapng, the only kind that perfpath writes")
        if struct.unpack_from("<H", body, 4)[0] != 1:
            raise self.fail(offset, f"pcapng version {struct.unpack_from('<H', body, 4)[0]} is not known")
        self.section = len(self.interfaces)

    def _interface(self, offset: int, body: bytes) -> None:
        if len(body) < 8:
            raise self.fail(offset, "the interface block is too short")
        link = struct.unpack_from("<H", body)[0]
        if link not in (pcapng.LINK_ETHERNET, pcapng.LINK_SLL2):
            raise self.fail(offset, f"link type {link} is neither Ethernet (1) nor Linux cooked v2 (276)")
        options = self._options(offset, body, 8)
        if options.get(pcapng.IF_TSRESOL, b"\6")[:1] != bytes([pcapng.NANOSECONDS]):
            raise self.fail(offset, "the interface's times aren't in nanoseconds")
        layer = ETHERNET if link == pcapng.LINK_ETHERNET else NETWORK
        name, comment = (
            options.get(code, b"").decode("utf-8", "surrogateescape") for code in (pcapng.IF_NAME, pcapng.COMMENT)
        )
        self.interfaces.append(Interface.read(name, comment, layer))

    def _packet(self, offset: int, body: bytes) -> None:
        if len(body) < 20:
            raise self.fail(offset, "the packet block is too short")
        number, high, low, captured, length = struct.unpack_from("<5I", body)
        number += self.section
        if number >= len(self.interfaces):
            raise self.fail(offset, f"interface {number - self.section} wasn't declared")
        if captured > len(body) - 20 or high >> 31:
            raise self.fail(offset, "the packet is longer than its block, or its time beyond the year 2262")
        data, ethertype = body[20 : 20 + captured], 0
        if self.interfaces[number].layer != ETHERNET:
            if captured < pcapng.SLL2.size:
                raise self.fail(offset, "the packet is shorter than its link type's header")
            ethertype = pcapng.SLL2.unpack_from(data)[0]
            data, length = data[pcapng.SLL2.size :], max(length - pcapng.SLL2.size, 0)
        options = self._options(offset, body, 20 + captured + -captured % 4)
        flags = int.from_bytes(options.get(pcapng.EPB_FLAGS, b""), "little") & 3
        self.packets.append((data[: self.width], (number, high << 32 | low, length, ethertype)))
        self.directions.append({pcapng.INBOUND: "rx", pcapng.OUTBOUND: "tx"}.get(flags, ""))
        self.comments.append(options.get(pcapng.COMMENT, b"").decode("utf-8", "surrogateescape"))

    def _options(self, offset: int, body: bytes, at: int) -> dict[int, bytes]:
        """The first of each option."""
        options: dict[int, bytes] = {}
        while at + 4 <= len(body):
            code, size = struct.unpack_from("<HH", body, at)
            if code == pcapng.END:
                break
            if at + 4 + size > len(body):
                raise self.fail(offset, f"option {code} is longer than its block")
            options.setdefault(code, body[at + 4 : at + 4 + size])
            at += 4 + size + -size % 4
        return options

    def kept(self) -> Kept:
        """All that was read, in arrays."""
        count = len(self.packets)
        raw = np.zeros((count, self.width), np.uint8)
        for row, (data, _) in zip(raw, self.packets, strict=True):
            row[: len(data)] = np.frombuffer(data, np.uint8)
        captured = np.array([len(data) for data, _ in self.packets], np.int64)
        number, times, length, ethertype = np.array([said for _, said in self.packets], np.int64).reshape(-1, 4).T
        layers = np.array([interface.layer for interface in self.interfaces], np.int8)
        layer = layers[number] if count else np.empty(0, np.int8)
        headers = Headers(raw, captured, layer, ethertype.astype(np.uint16), length=length)
        return Kept(headers, times, number.astype(np.int32), self.directions, self.comments, self.interfaces)
