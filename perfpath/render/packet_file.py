"""Hops as a packet file that Wireshark opens: with their bytes, interface `eth0@web`, and a comment on their journey.

A comment is `journey 3 hop 1; 3 hops; request, answered by 4; netif_rx by ping/16443 cpu 0`, parts that aren't known
left out: `frame.comment contains "journey 3 "` finds a journey. Times are wall-clock times where the recording
knows them, else those of its own clock; the file's first block says so.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np

from perfpath import __version__
from perfpath.errors import InputError
from perfpath.escape import visible
from perfpath.firstbytes import ETHERNET, NETWORK, WIDTH
from perfpath.packets.describe import headers_of
from perfpath.packets.pcapng import Interface
from perfpath.packets.write import Writer
from perfpath.render.drops import drops_of
from perfpath.render.groups import distinct
from perfpath.render.hops import hops_of, packets_of

if TYPE_CHECKING:
    from typing import BinaryIO

    from perfpath.diagnostics import Diagnostics
    from perfpath.firstbytes import FirstBytes
    from perfpath.journeys.tracker import Result, Update
    from perfpath.readers.recording import Info
    from perfpath.render.places import Namer
    from perfpath.render.summary import Tally
    from perfpath.tables import Array, Table

Entry = tuple[int, Interface, bytes, int, int, str, str]
OWN_CLOCK = "times are the recording's own clock, which isn't wall-clock time"


class PacketFile:
    """Writes the hops of journeys that can't grow any more, in the order of time: a hop waits for all that are earlier.

    first: of each journey only the first hop that has bytes.
    """

    def __init__(
        self, stream: BinaryIO, packets: FirstBytes | None, info: Info, namer: Namer, *, first: bool = False
    ) -> None:
        self.written = self.bare = 0
        self._stream = stream
        self._writer: Writer | None = None
        self._packets = packets
        self._info = info
        self._namer = namer
        self._first = first
        self._waiting: list[Entry] = []

    def show(self, update: Update) -> None:
        """Write the closed journeys."""
        hops = self._with_bytes(update.closed)
        if len(hops):
            self._waiting += self._entries(hops, update.closed)
            self._waiting.sort(key=_time)  # two runs that are sorted already
        self._write(bisect_left(self._waiting, update.settled_ns + (self._info.wall_offset_ns or 0), key=_time))
        self.written += len(hops)

    def _write(self, count: int) -> None:
        """So many of those that wait."""
        writer = self._file() if count else None
        for time, interface, data, length, ethertype, direction, comment in self._waiting[:count]:
            assert writer is not None  # noqa: S101 - for the type checker
            writer.packet(
                interface, time, data, length=length, ethertype=ethertype, direction=direction, comment=comment
            )
        del self._waiting[:count]

    def end(self, tally: Tally, diagnostics: Diagnostics) -> None:  # noqa: ARG002
        """Count what couldn't be written. Raises InputError where nothing could for want of bytes."""
        if self.bare and not self.written:
            raise InputError(
                "this recording has no packets' bytes, so there is nothing to write: trace again with "
                "--packets socket (on any kernel) or --packets tprobe"
            )
        self._file()
        self._write(len(self._waiting))
        self._stream.flush()
        if self.bare:
            diagnostics.note(
                "not-written", "hops left out of the file: their packets' bytes are not known", count=self.bare
            )
        if self._info.wall_offset_ns is None:
            diagnostics.note("own-clock", OWN_CLOCK)

    def _file(self) -> Writer:
        if self._writer is None:
            said = "" if self._info.wall_offset_ns is not None else f"; {OWN_CLOCK}"
            self._writer = Writer(self._stream, f"perfpath {__version__}{said}", WIDTH)
        return self._writer

    def _with_bytes(self, result: Result) -> Table:
        """The hops to write; the others that were wanted are counted."""
        hops = result.hops
        if self._packets is None or "packet" not in hops:
            self.bare += len(hops)
            return hops.take(slice(0, 0))
        packet = self._packets.take(hops["packet"])
        placed = (packet["layer"] == ETHERNET) | (packet["layer"] == NETWORK) & (packet["network"] >= 0)
        usable = (packet["captured"] > 0) & placed
        self.bare += int(np.count_nonzero(~usable))
        rows = np.flatnonzero(usable)
        if self._first:
            rows = rows[np.unique(hops["journey"][rows], return_index=True)[1]]
        return hops.take(rows)

    def _entries(self, hops: Table, result: Result) -> list[Entry]:
        """(time, interface, bytes, length on the wire, ethertype, direction, comment) of each hop, sorted by time."""
        assert self._packets is not None  # noqa: S101 - for the type checker: `_with_bytes` found some
        packet = self._packets.take(hops["packet"])
        headers = headers_of(packet)
        skip = np.where(packet["layer"] == ETHERNET, 0, np.minimum(packet["network"], packet["captured"]))
        rows, codes = distinct(*(hops[name] for name in ("dev", "netns", "netns_name", "ifindex")), packet["layer"])
        interfaces = [_interface(hops, row, int(packet["layer"][row]), self._namer) for row in rows]
        times = hops["time_ns"] + (self._info.wall_offset_ns or 0)
        entries = zip(
            times.tolist(),
            [interfaces[code] for code in codes.tolist()],
            _bytes(packet, skip),
            (packet["length"].astype(np.int64) - skip).clip(0).tolist(),
            headers.ethertype.tolist(),
            [text or "" for text in hops.texts("direction")],
            self._comments(hops, result, packet["vlan"]),
            strict=True,
        )
        return sorted(entries, key=_time)

    def _comments(self, hops: Table, result: Result, vlan: Array) -> list[str]:
        of_journey = self._of_journeys(result)
        events = hops.texts("event")
        found = []
        for hop, event, tag in zip(hops_of(hops, self._namer), events, vlan.tolist(), strict=True):
            parts = [f"journey {hop.journey} hop {hop.number}", of_journey[hop.journey]]
            parts.append(f"{visible(event or '')} by {hop.task}" if hop.task else visible(event or ""))
            parts += [f"namespace unknown: {hop.doubt}"] if hop.doubt else []
            parts += [f"vlan {tag} (its tag isn't in the bytes)"] if tag >= 0 else []
            found.append("; ".join(filter(None, parts)))
        return found

    def _of_journeys(self, result: Result) -> dict[int, str]:
        """`3 hops; request, answered by 4; dropped: NO_SOCKET in ping_rcv+0xab`, by journey."""
        journeys = result.journeys
        kinds, rows, codes = drops_of(result, self._namer)
        drops = dict(zip(rows.tolist(), codes.tolist(), strict=True))
        found = {}
        for row, (packet, outcome) in enumerate(zip(packets_of(journeys), journeys.texts("outcome"), strict=True)):
            parts = [f"{packet.hops} hop{'' if packet.hops == 1 else 's'}", packet.pairing]
            parts.append(f"dropped: {kinds[drops[row]].title}" if row in drops else visible(outcome or ""))
            parts += [packet.doubt] if packet.doubt else []
            found[packet.journey] = "; ".join(filter(None, parts))
        return found


def _interface(hops: Table, row: int, layer: int, namer: Namer) -> Interface:
    name = hops.names["netns_name"][hops["netns_name"][row]]
    inum = int(hops["netns"][row])
    where = name or (namer.label(inum, None) if inum else "")
    return Interface(hops.names["dev"][hops["dev"][row]] or "", where, inum, int(hops["ifindex"][row]), layer)


def _bytes(packet: Array, skip: Array) -> list[bytes]:
    raw = np.ascontiguousarray(packet["raw"]).tobytes()
    ends = zip(range(0, len(raw), WIDTH), skip.tolist(), packet["captured"].tolist(), strict=True)
    return [raw[at + start : at + end] for at, start, end in ends]


def _time(entry: Entry) -> int:
    return entry[0]
