"""What a match expression can ask of a packet: each question a function of a PACKETS table to truth.

Answers are FALSE where the packet can't have what is asked for (a port in ICMP, in a later fragment, an IPv4 address
in IPv6), and UNKNOWN where it may have and wasn't read so far.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfpath.packets.ethernet import ARP, IPV4, IPV6, MAPPED
from perfpath.packets.icmp import ECHO6, ECHO_REPLY6, IDENTIFIED
from perfpath.packets.levels import GRE
from perfpath.packets.schema import IN_GRE, IN_VXLAN, TRUNCATED
from perfpath.packets.transport import ICMP, ICMP6, SCTP, TCP, UDP
from perfpath.packets.truth import anywhere, both, either, equal, truth
from perfpath.packets.tunnels import GENEVE_PORT, VXLAN_PORTS

if TYPE_CHECKING:
    from perfpath.tables import Array, Table

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
IP = (IPV4, IPV6)


def among(table: Table, ethertypes: tuple[int, ...]) -> Array:
    """Whether the network header is one of these."""
    found = table["ethertype"]
    return truth(np.isin(found, ethertypes), found > 0)


@dataclass(frozen=True, slots=True)
class Ethertype:
    """ip, ip6, arp, or any by number."""

    number: int

    def __call__(self, table: Table) -> Array:
        """Truth for each row."""
        return among(table, (self.number,))


@dataclass(frozen=True, slots=True)
class Protocol:
    """icmp, tcp, ...: what is inside IP, of these families."""

    number: int
    families: tuple[int, ...] = IP

    def __call__(self, table: Table) -> Array:
        """Truth for each row."""
        return both(among(table, self.families), equal(table["proto"], self.number))


@dataclass(frozen=True, slots=True)
class Addresses:
    """host and net. side: `src`, `dst`, `or`, `and`. IPv4 ones are looked for in ARP too, as tcpdump does."""

    network: Network
    side: str = "or"

    def __call__(self, table: Table) -> Array:
        """Truth for each row."""
        four = self.network.version == 4
        possible = among(table, (IPV4, ARP) if four else (IPV6,))
        foreign = (table["ethertype"] == ARP) & (table["arp_op"] >= 0) & (table["family"] == 0) & (table["ended"] == 0)
        known = (table["family"] > 0) | foreign
        sides = {name: truth(self._inside(table, name) & ~foreign, known) for name in ("src", "dst")}
        return both(possible, sided(sides, self.side))

    def _inside(self, table: Table, side: str) -> Array:
        address, mask = int(self.network.network_address), int(self.network.netmask)
        if self.network.version == 4:
            address, mask = address | MAPPED, mask | MAPPED
        halves = ((f"{side}_hi", address >> 64, mask >> 64), (f"{side}_lo", address, mask))
        low = 2**64 - 1
        (high_ok, low_ok) = ((table[name] & np.uint64(m & low)) == np.uint64(a & low) for name, a, m in halves)
        inside: Array = high_ok & low_ok
        return inside


def sided(sides: dict[str, Array], side: str) -> Array:
    """One side's answer, or that of both sides together."""
    if side in sides:
        return sides[side]
    return both(*sides.values()) if side == "and" else either(*sides.values())


@dataclass(frozen=True, slots=True)
class Ports:
    """port and portrange, of TCP, UDP or SCTP."""

    low: int
    high: int
    side: str = "or"
    protocols: tuple[int, ...] = (TCP, UDP, SCTP)

    def __call__(self, table: Table) -> Array:
        """Truth for each row."""
        proto = table["proto"]
        possible = both(among(table, IP), truth(np.isin(proto, self.protocols), proto >= 0))
        first = truth(table["frag_offset"] <= 0)
        sides = {
            name: truth((table[column] >= self.low) & (table[column] <= self.high), table[column] >= 0)
            for name, column in (("src", "sport"), ("dst", "dport"))
        }
        return both(possible, first, sided(sides, self.side))


@dataclass(frozen=True, slots=True)
class Vlan:
    """vlan [ID]: a tag with this id; either of two, at any level. Unknown where no Ethernet header was seen."""

    number: int | None = None

    def __call__(self, table: Table) -> Array:
        """Truth for each row."""
        found = table["vlan"] >= 0
        if self.number is not None:
            found = (table["vlan"] == self.number) | (table["vlan_inner"] == self.number)
        framed = table["src_mac"] != -1
        return anywhere(table, truth(found, found | (framed & (table["ethertype"] > 0))))


@dataclass(frozen=True, slots=True)
class Length:
    """less N and greater N: the length on the wire, both ends included."""

    low: int = 0
    high: int = 2**32 - 1

    def __call__(self, table: Table) -> Array:
        """Truth for each row."""
        length = table["len"]
        return truth((length >= self.low) & (length <= self.high), length > 0)


@dataclass(frozen=True, slots=True)
class Tunnel:
    """vxlan [VNI], geneve [VNI], gre [KEY]: something is wrapped so, at any level. carrier: of schema.CARRIERS."""

    carrier: int
    number: int | None = None

    def __call__(self, table: Table) -> Array:
        """Truth for each row."""
        found = table["carries"] == self.carrier
        known = found | (table["ended"] != TRUNCATED)
        if self.number is not None:
            found = found & (table["tunnel_id"] == self.number)
        return anywhere(table, both(self._possible(table), truth(found, known)))

    def _possible(self, table: Table) -> Array:
        if self.carrier == IN_GRE:
            return Protocol(GRE)(table)
        ports = VXLAN_PORTS if self.carrier == IN_VXLAN else (GENEVE_PORT,)
        return either(*(Ports(port, port, "dst", (UDP,))(table) for port in ports))


@dataclass(frozen=True, slots=True)
class Echo:
    """icmp-id N and icmp-seq N, in ICMP and ICMPv6. column: icmp_id or icmp_seq."""

    column: str
    number: int

    def __call__(self, table: Table) -> Array:
        """Truth for each row."""
        four = both(Protocol(ICMP, (IPV4,))(table), self._typed(table, IDENTIFIED))
        six = both(Protocol(ICMP6, (IPV6,))(table), self._typed(table, (ECHO6, ECHO_REPLY6)))
        first = truth(table["frag_offset"] <= 0)
        return both(either(four, six), first, equal(table[self.column], self.number))

    def _typed(self, table: Table, types: tuple[int, ...]) -> Array:
        kind = table["icmp_type"]
        return truth(np.isin(kind, types), kind >= 0)


@dataclass(frozen=True, slots=True)
class Mac:
    """ether host MAC."""

    number: int
    side: str = "or"

    def __call__(self, table: Table) -> Array:
        """Truth for each row."""
        return sided({side: equal(table[f"{side}_mac"], self.number) for side in ("src", "dst")}, self.side)
