"""What packet sockets saw, kept as pcapng beside a recording, and read again.

Wireshark opens it. Times are wall-clock times; how far they are from the clock of the recording's events stands in the
section's first block. The rest of what SIGHTINGS have (CPU, where the network header is) stands in each packet's
comment. Packets are written in bulk: a flood of them must not keep the tracer from reading what perf says.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from perfpath import __version__, schema
from perfpath.errors import InputError
from perfpath.firstbytes import ETHERNET, NETWORK, packed
from perfpath.packets import pcapng
from perfpath.packets.describe import distinct_rows
from perfpath.packets.pcapng import Interface
from perfpath.packets.read import read
from perfpath.packets.write import Writer
from perfpath.tables import Names, Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfpath.diagnostics import Diagnostics
    from perfpath.tables import Array

FILE = "packets.pcapng"
_CLOCK = re.compile(rb"CLOCK_MONOTONIC ([+-]) (\d+) ns")
_COMMENT = re.compile(r"cpu (-?\d+) network (-?\d+) vlan (-?\d+)")
_HEAD = 28  # type, length, interface, time in two halves, captured and original length
_TYPICAL = 1 << 12  # bytes in which the first block ends
_PIECE = 1 << 14  # rows that are laid out at once: what they need stays in the CPU's cache


class Keeper:
    """Writes SIGHTINGS as they come.

    offset_ns: CLOCK_REALTIME minus CLOCK_MONOTONIC. netns_name: what a namespace (inode) is called by now.
    Raises what the stream raises.
    """

    def __init__(self, stream: BinaryIO, offset_ns: int, netns_name: Callable[[int], str]) -> None:
        sign = "-" if offset_ns < 0 else "+"
        said = f"perfpath {__version__}; times are CLOCK_MONOTONIC {sign} {abs(offset_ns)} ns"
        self._stream = stream
        self._offset = offset_ns
        self._writer = Writer(stream, said)
        self._netns_name = netns_name

    def write(self, sightings: Table) -> None:
        """Append some, sorted by time among themselves."""
        seen = sightings.take(np.argsort(sightings["time_ns"], kind="stable"))
        packet = seen["packet"]
        framed = packet["layer"] == ETHERNET
        ethernet = seen if framed.all() else seen.take(framed)
        for at in range(0, len(ethernet), _PIECE):
            self._bulk(ethernet.take(slice(at, at + _PIECE)))
        for row in np.flatnonzero(~framed).tolist():
            self._cooked(seen, row)

    def _interface(self, seen: Table, row: int, layer: int) -> Interface:
        dev, inum = seen.names["dev"][seen["dev"][row]] or "", int(seen["netns"][row])
        return Interface(dev, self._netns_name(inum), inum, int(seen["ifindex"][row]), layer)

    def _bulk(self, seen: Table) -> None:
        """Packets with Ethernet headers: all that are equally long and have one comment are laid out at once."""
        packet = seen["packet"]
        number = self._numbers(seen)
        captured = packet["captured"]
        kinds, which = distinct_rows(_both(captured, seen["cpu"]), _both(packet["network"], packet["vlan"]))
        tails = [_tail(seen, row) for row in kinds.tolist()]
        sizes = np.array([_HEAD + len(tail) for tail in tails], np.int64)[which]
        sizes += captured + -captured % 4
        starts = np.cumsum(sizes) - sizes
        out = np.zeros(int(sizes.sum()), np.uint8)
        for kind, tail in enumerate(tails):
            rows = np.flatnonzero(which == kind)
            blocks = _blocks(seen, rows, number[rows], self._offset, tail)
            out[starts[rows, None] + np.arange(blocks.shape[1])] = blocks
        self._stream.write(out.data)

    def _numbers(self, seen: Table) -> Array:
        """The interface's number in the file, for each packet."""
        first, which = distinct_rows(_both(seen["dev"], seen["netns"]), seen["ifindex"])
        numbers = [self._writer.interface(self._interface(seen, row, ETHERNET)) for row in first.tolist()]
        return np.array(numbers, np.int64)[which] if numbers else np.empty(0, np.int64)

    def _cooked(self, seen: Table, row: int) -> None:
        packet = seen["packet"][row]
        skip = min(max(int(packet["network"]), 0), int(packet["captured"]))
        self._writer.packet(
            self._interface(seen, row, NETWORK),
            int(seen["time_ns"][row]) + self._offset,
            packet["raw"][skip : packet["captured"]].tobytes(),
            length=int(packet["length"]) - skip,
            ethertype=int(packet["ethertype"]),
            direction=_direction(seen, row),
            comment=_comment(seen, row, 0),
        )


def _both(low: Array, high: Array) -> Array:
    """Two columns of 32 bits at most as one."""
    both: Array = low.astype(np.int64) & 0xFFFFFFFF | high.astype(np.int64) << 32
    return both


def _direction(seen: Table, row: int) -> str:
    return "tx" if seen["tx"][row] else "rx"


def _comment(seen: Table, row: int, network: int) -> str:
    return f"cpu {seen['cpu'][row]} network {network} vlan {seen['packet']['vlan'][row]}"


def _tail(seen: Table, row: int) -> bytes:
    """What stands behind the bytes of such packets; the direction is written over for each."""
    text = _comment(seen, row, int(seen["packet"]["network"][row]))
    options = pcapng.option(pcapng.COMMENT, text.encode())
    options += pcapng.option(pcapng.EPB_FLAGS, struct.pack("<I", 0)) + pcapng.option(pcapng.END, b"")
    return options + bytes(4)


def _blocks(seen: Table, rows: Array, number: Array, offset: int, tail: bytes) -> Array:
    """uint8[n, size] of enhanced packet blocks that are equally long."""
    packet = seen["packet"][rows]
    captured = int(packet["captured"][0])
    body = captured + -captured % 4
    blocks = np.zeros((len(rows), _HEAD + body + len(tail)), np.uint8)
    time = (seen["time_ns"][rows] + offset).astype(np.uint64)
    head = np.empty((len(rows), 7), "<u4")
    head[:, 0], head[:, 1] = pcapng.ENHANCED, blocks.shape[1]
    head[:, 2], head[:, 3], head[:, 4] = number, time >> np.uint64(32), time & np.uint64(0xFFFFFFFF)
    head[:, 5], head[:, 6] = captured, packet["length"]
    blocks[:, :_HEAD] = head.view(np.uint8)
    blocks[:, _HEAD : _HEAD + captured] = packet["raw"][:, :captured]
    blocks[:, _HEAD + body :] = np.frombuffer(tail, np.uint8)
    blocks[:, -12] = np.where(seen["tx"][rows], pcapng.OUTBOUND, pcapng.INBOUND)  # before the end and the length
    blocks[:, -4:] = head[:, 1:2].copy().view(np.uint8)
    return blocks


def sightings_of(stream: BinaryIO, name: str, diagnostics: Diagnostics) -> Table:
    """SIGHTINGS, sorted by time, of a file that a Keeper wrote. Raises InputError where it is another's."""
    head = stream.read(_TYPICAL)
    clock = _CLOCK.search(head)
    if not head:
        raise InputError(f"{name}: it is empty: its writer was ended before it wrote anything")
    if clock is None:
        raise InputError(f"{name}: it doesn't say how its times relate to the recording's: perfpath didn't write it")
    offset = int(clock[2]) * (-1 if clock[1] == b"-" else 1)
    stream.seek(0)
    kept = read(stream, name, diagnostics, salvage=True)
    said = [_COMMENT.fullmatch(comment) for comment in kept.comments]
    facts = np.array([match.groups() if match else ("-1", "-1", "-1") for match in said], np.int64).reshape(-1, 3)
    names = {"dev": Names()}
    interfaces = kept.interfaces
    dev = np.array([names["dev"].code(each.dev) for each in interfaces], np.int32)
    headers = kept.headers
    length = headers.length if headers.length is not None else headers.captured
    in_frame = headers.raw[:, 12].astype(np.uint16) << 8 | headers.raw[:, 13]
    ethertype = np.where(headers.layer == ETHERNET, in_frame, headers.ethertype)
    packet = packed(
        headers.raw,
        headers.captured,
        layer=headers.layer,
        ethertype=ethertype,
        network=facts[:, 1],
        length=length,
        vlan=facts[:, 2],
    )
    where = kept.interface
    table = Table.filled(
        schema.SIGHTINGS,
        len(where),
        names,
        time_ns=kept.time_ns - offset,
        cpu=facts[:, 0],
        netns=np.array([each.inum for each in interfaces], np.uint32)[where],
        ifindex=np.array([each.ifindex for each in interfaces], np.int32)[where],
        dev=dev[where],
        tx=np.array([each == "tx" for each in kept.directions], bool),
        len=length,
        protocol=ethertype,
    ).extended(packet=packet)
    return table.take(np.argsort(table["time_ns"], kind="stable"))
