"""Packets to pcapng, one after the other, into any binary stream: Wireshark opens it while it grows."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from perfpath import __version__
from perfpath.escape import visible
from perfpath.packets import pcapng
from perfpath.packets.headers import ETHERNET

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from perfpath.packets.headers import Headers
    from perfpath.packets.pcapng import Interface

_ENHANCED = struct.Struct("<IIIII")
"""Interface, time (upper, lower half), captured and original length."""


class Writer:
    """Writes a section. Raises what the stream raises; it flushes and closes nothing.

    snap: so many bytes of a packet were captured at most, 0 unknown (what LINKTYPE_LINUX_SLL2 puts before is added).
    """

    def __init__(self, stream: BinaryIO, application: str = f"perfpath {__version__}", snap: int = 0) -> None:
        self._stream = stream
        self._snap = snap
        self._numbers: dict[Interface, int] = {}
        head = struct.pack("<IHHQ", pcapng.BYTE_ORDER, 1, 0, pcapng.UNKNOWN_LENGTH)
        said = pcapng.option(pcapng.SHB_USERAPPL, application.encode()) + pcapng.option(pcapng.END, b"")
        stream.write(pcapng.block(pcapng.SECTION, head + said))

    def interface(self, interface: Interface) -> int:
        """The interface's number in the file; its block is written when it is first asked for."""
        number = self._numbers.get(interface)
        if number is None:
            number = self._numbers[interface] = len(self._numbers)
            self._stream.write(_described(interface, self._snap))
        return number

    def packet(
        self,
        interface: Interface,
        time_ns: int,
        data: bytes,
        *,
        length: int = 0,
        ethertype: int = 0,
        direction: str = "",
        comment: str = "",
    ) -> None:
        """Write one packet.

        time_ns: since 1970. data: from its Ethernet header or, where interface.layer is NETWORK, from the network
        header that `ethertype` names. length: on the wire, counted likewise; 0 for no more than data.
        direction: `tx`, `rx` or "". comment: shown by Wireshark; what is unprintable in it is made visible.
        """
        number = self.interface(interface)
        length = max(length, len(data))
        if interface.layer != ETHERNET:
            data = _cooked(interface, ethertype, direction) + data
            length += pcapng.SLL2.size
        head = _ENHANCED.pack(number, time_ns >> 32, time_ns & 0xFFFFFFFF, len(data), length)
        self._stream.write(pcapng.block(pcapng.ENHANCED, head + pcapng.padded(data) + _said(direction, comment)))

    def packets(
        self,
        headers: Headers,
        interfaces: Sequence[Interface],
        times_ns: Sequence[int],
        directions: Sequence[str],
        comments: Sequence[str],
    ) -> None:
        """Write each row of captured headers, all sequences as long as they are.

        The interface's layer must be that of its rows; a row whose network header's place is unknown is written whole.
        """
        captured = headers.captured.clip(0, headers.raw.shape[1]).tolist()
        skipped = [0] * len(headers) if headers.network is None else headers.network.clip(0).tolist()
        lengths = [0] * len(headers) if headers.length is None else headers.length.tolist()
        ethertypes = headers.ethertype.tolist()
        for row, interface in enumerate(interfaces):
            skip = min(skipped[row], captured[row]) if interface.layer != ETHERNET else 0
            self.packet(
                interface,
                times_ns[row],
                headers.raw[row, skip : captured[row]].tobytes(),
                length=max(lengths[row] - skip, 0),
                ethertype=ethertypes[row],
                direction=directions[row],
                comment=comments[row],
            )


def _described(interface: Interface, snap: int) -> bytes:
    link = pcapng.LINK_ETHERNET if interface.layer == ETHERNET else pcapng.LINK_SLL2
    if snap and link == pcapng.LINK_SLL2:
        snap += pcapng.SLL2.size
    options = (
        pcapng.option(pcapng.IF_NAME, interface.name.encode()),
        pcapng.option(pcapng.COMMENT, interface.comment().encode()),
        pcapng.option(pcapng.IF_TSRESOL, bytes([pcapng.NANOSECONDS])),
        pcapng.option(pcapng.END, b""),
    )
    return pcapng.block(pcapng.INTERFACE, struct.pack("<HHI", link, 0, snap) + b"".join(options))


def _cooked(interface: Interface, ethertype: int, direction: str) -> bytes:
    kind = pcapng.PACKET_OUTGOING if direction == "tx" else pcapng.PACKET_HOST
    return pcapng.SLL2.pack(ethertype, 0, interface.ifindex, pcapng.ARPHRD_NONE, kind, 0, bytes(8))


def _said(direction: str, comment: str) -> bytes:
    options = b""
    if comment:
        options += pcapng.option(pcapng.COMMENT, visible(comment).encode())
    if direction in pcapng.DIRECTIONS:
        options += pcapng.option(pcapng.EPB_FLAGS, struct.pack("<I", pcapng.DIRECTIONS[direction]))
    return options + pcapng.option(pcapng.END, b"") if options else b""
