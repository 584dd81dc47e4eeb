"""One packet socket and the ring of frames that the kernel writes into it (TPACKET_V2).

include/uapi/linux/if_packet.h, net/packet/af_packet.c (tpacket_rcv). Version 2 has slots of one size, which cut every
packet to what fits and are read all at once; no filter is attached. A slot belongs to the kernel where its status is
0, else to us.
"""

from __future__ import annotations

import contextlib
import mmap
import socket
import struct
from typing import TYPE_CHECKING

import numpy as np

from perfpath import firstbytes

if TYPE_CHECKING:
    from perfpath.tables import Array

SOL_PACKET = 263
PACKET_RX_RING, PACKET_STATISTICS, PACKET_VERSION, PACKET_FANOUT = 5, 6, 10, 18
FANOUT_CPU, FANOUT_UNIQUEID = 2, 0x2000
TPACKET_V2 = 1
ETH_P_ALL = 3
SO_TIMESTAMPNS = 35
OUTGOING = 4  # PACKET_OUTGOING
ETHERNET_LIKE = (1, 772)  # ARPHRD_ETHER, ARPHRD_LOOPBACK: hardware types whose packets have an Ethernet header
VLAN_VALID = 1 << 4  # TP_STATUS_VLAN_VALID
ETHERNET_HEADER = 14

FRAME = np.dtype(
    {
        # struct tpacket2_hdr, and at its aligned end struct sockaddr_ll
        "names": [
            "status",
            "len",
            "snaplen",
            "mac",
            "net",
            "sec",
            "nsec",
            "vlan_tci",
            "protocol",
            "ifindex",
            "hatype",
            "pkttype",
        ],
        "formats": ["u4", "u4", "u4", "u2", "u2", "u4", "u4", "u2", ">u2", "i4", "u2", "u1"],
        "offsets": [0, 4, 8, 12, 14, 16, 20, 24, 34, 36, 40, 42],
        "itemsize": 256,  # header 66 bytes at most, so that 128 of the packet and more fit
    }
)
BLOCK = 1 << 16


class Ring:
    """A socket that sees everything sent and received in the namespace of the thread that makes it.

    size: bytes of frames. Raises OSError.
    """

    def __init__(self, size: int) -> None:
        blocks = max(size // BLOCK, 1)
        self.dropped = 0
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_PACKET, kind, socket.htons(ETH_P_ALL))
        try:
            self._socket.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V2)
            request = struct.pack("=4I", BLOCK, blocks, FRAME.itemsize, blocks * (BLOCK // FRAME.itemsize))
            self._socket.setsockopt(SOL_PACKET, PACKET_RX_RING, request)
            self._memory = mmap.mmap(self._socket.fileno(), blocks * BLOCK)
        except OSError:
            self._socket.close()
            raise
        self._slots = np.frombuffer(self._memory, np.uint8).reshape(-1, FRAME.itemsize)
        self._status = self._slots.view(FRAME)["status"][:, 0]
        self._next = 0
        with contextlib.suppress(OSError):  # the receipt's own stamps; without them the time of delivery counts
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def fileno(self) -> int:
        """The socket's descriptor: its ioctls speak of its namespace."""
        return self._socket.fileno()

    def lead(self) -> int:
        """Make a group in which each member gets what happens on one CPU; returns its number. Raises OSError."""
        self._socket.setsockopt(SOL_PACKET, PACKET_FANOUT, (FANOUT_CPU | FANOUT_UNIQUEID) << 16)
        return self._socket.getsockopt(SOL_PACKET, PACKET_FANOUT) & 0xFFFF

    def join(self, group: int) -> None:
        """Become the next CPU's member of a group. Raises OSError."""
        self._socket.setsockopt(SOL_PACKET, PACKET_FANOUT, group | FANOUT_CPU << 16)

    def discard(self) -> None:
        """Throw away what was seen so far: all that a ring holds at most, since a flood never ends."""
        left = len(self._slots)
        while left > 0 and (count := len(self.fetch())):
            left -= count
        self.losses()

    def fetch(self) -> Array:
        """Copies of the frames written since the last call, in the kernel's order: uint8[n, size of a FRAME].

        (Copies of the structured type would lack the bytes between its fields, where the packets are.)
        """
        parts = []
        while count := self._ready():
            chosen = slice(self._next, self._next + count)
            parts.append(self._slots[chosen].copy())
            self._status[chosen] = 0
            self._next = (self._next + count) % len(self._slots)
            if self._next:
                break
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else self._slots[:0].copy()

    def _ready(self) -> int:
        """How many slots from the next one on, up to the end of the ring, are ours."""
        if not self._status[self._next]:
            return 0
        free = np.flatnonzero(self._status[self._next :] == 0)
        return int(free[0]) if len(free) else len(self._status) - self._next

    def losses(self) -> int:
        """How many packets found no room since the last call."""
        data = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        lost: int = struct.unpack("=2I", data)[1]
        self.dropped += lost
        return lost

    def close(self) -> None:
        """Stop seeing packets; frames that were fetched stay."""
        del self._status, self._slots
        self._memory.close()
        self._socket.close()


def headers_of(slots: Array) -> Array:
    """FRAME[n] of slots: what the kernel says of the packets."""
    frames: Array = slots.view(FRAME)[:, 0]
    return frames


def packets_of(slots: Array) -> Array:
    """PACKET[n] of slots: their bytes from the link-layer header on."""
    frames = headers_of(slots)
    raw = np.zeros((len(frames), firstbytes.WIDTH), np.uint8)
    mac = frames["mac"]
    for at in np.unique(mac).tolist():
        rows = np.flatnonzero(mac == at)
        part = slots[rows, at : at + firstbytes.WIDTH]
        raw[rows, : part.shape[1]] = part
    network = frames["net"].astype(np.int64) - mac
    framed = np.isin(frames["hatype"], ETHERNET_LIKE) & (network >= ETHERNET_HEADER)
    tagged = (frames["status"] & VLAN_VALID) != 0
    return firstbytes.packed(
        raw,
        np.minimum(frames["snaplen"], FRAME.itemsize - mac),
        layer=np.where(framed, firstbytes.ETHERNET, firstbytes.NETWORK),
        ethertype=frames["protocol"],
        network=network,
        length=frames["len"],
        vlan=np.where(tagged, (frames["vlan_tci"] & 0xFFF).astype(np.int64), -1),
    )
