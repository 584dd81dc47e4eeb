"""pcapng blocks, as in draft-ietf-opsawg-pcapng: the numbers and shapes that writing and reading share."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass

from perfpath.escape import visible
from perfpath.packets.headers import ETHERNET

SECTION, INTERFACE, ENHANCED = 0x0A0D0D0A, 1, 6
BYTE_ORDER = 0x1A2B3C4D
UNKNOWN_LENGTH = 0xFFFF_FFFF_FFFF_FFFF
LINK_ETHERNET, LINK_SLL2 = 1, 276
"""LINKTYPE_LINUX_SLL2 says what the network header is, where no Ethernet header was seen."""
SLL2 = struct.Struct(">HHIHBB8s")
"""Ethertype, reserved, ifindex, ARPHRD_*, PACKET_*, length of the address, address."""
ARPHRD_NONE = 0xFFFE
PACKET_HOST, PACKET_OUTGOING = 0, 4
END, COMMENT, IF_NAME, IF_DESCRIPTION, IF_TSRESOL, EPB_FLAGS, SHB_USERAPPL = 0, 1, 2, 3, 9, 2, 4
NANOSECONDS = 9
INBOUND, OUTBOUND = 1, 2
DIRECTIONS = {"rx": INBOUND, "tx": OUTBOUND}
MOST_BLOCK = 1 << 24
"""No block of ours is near this long; a longer one is a broken length."""


@dataclass(frozen=True, slots=True)
class Interface:
    """Where packets were seen: a device in a namespace, and how their bytes begin (headers.ETHERNET or NETWORK).

    One that showed packets in both ways is two interfaces of one name. inum: the namespace's inode, 0 unknown.
    """

    dev: str
    netns_name: str = ""
    inum: int = 0
    ifindex: int = 0
    layer: int = ETHERNET

    @property
    def name(self) -> str:
        """`eth0@web`, for Wireshark's people: anything unprintable is made visible, and valid UTF-8."""
        return visible(f"{self.dev}@{self.netns_name}" if self.netns_name else self.dev)

    def comment(self) -> str:
        """The same for programs, exactly: ASCII JSON."""
        facts = {"dev": self.dev, "netns_name": self.netns_name, "netns": self.inum, "ifindex": self.ifindex}
        return json.dumps(facts)

    @classmethod
    def read(cls, name: str, comment: str, layer: int) -> Interface:
        """From a block's name and comment; only the name is used where the comment isn't one of ours."""
        try:
            facts = json.loads(comment)
            found = cls(str(facts["dev"]), str(facts["netns_name"]), int(facts["netns"]), int(facts["ifindex"]), layer)
        except (ValueError, KeyError, TypeError, OverflowError):
            return cls(name, layer=layer)
        return found


def padded(data: bytes) -> bytes:
    """Data filled up to 32 bits."""
    return data + bytes(-len(data) % 4)


def option(code: int, value: bytes) -> bytes:
    """One option. What is longer than an option can be is cut."""
    value = value[:0xFFFF]
    return struct.pack("<HH", code, len(value)) + padded(value)


def block(kind: int, body: bytes) -> bytes:
    """One block, its length at both ends."""
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length
