"""Where tshark and perfpath mean different things by the same bytes: named classes of packets, each with its reason.

Of a packet in such a class, one side's values of a field must be the beginning of the other's (outermost first), or the
field isn't compared. Whatever is in no class must agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import decoded
import pcap

from perfpath.packets import text

if TYPE_CHECKING:
    from collections.abc import Callable

Chain = list[dict[str, Any]]
Theirs = dict[str, list[str]]
ALL = frozenset({*pcap.FIELDS, "vlan.id"})
READ = {4: (1, 4, 6, 17, 41, 47, 132), 6: (58, 4, 6, 17, 41, 47, 132)}
"""The protocols that perfpath reads, by IP version."""
LENGTHS = frozenset({"ip.len", "ipv6.plen", "tcp.len", "udp.length"})


@dataclass(frozen=True)
class Difference:
    """reason: why they differ. applies: to which packets. more_there, more_here: fields of which tshark, or perfpath,
    may have further values behind the other's; free: fields that aren't compared.
    """

    reason: str
    applies: Callable[[Chain, Theirs, bytes], bool]
    more_there: frozenset[str] = frozenset()
    more_here: frozenset[str] = frozenset()
    free: frozenset[str] = frozenset()


def _udp_to(*ports: int) -> Callable[[Chain, Theirs, bytes], bool]:
    return lambda chain, *_: any(
        row["proto"] == 17 and row["carries"] == 0 and (row["dport"] in ports or row["sport"] in ports) for row in chain
    )


def _at(row: dict[str, Any], frame: bytes) -> int:
    """Where an IP header stands in the frame: its addresses are looked for; -1 where it has none."""
    size = {4: 4, 6: 16}.get(row["family"] if row["ethertype"] != 0x0806 else 0, 0)
    ends = b"".join(ip_address(end(row)).packed for end in (text.source, text.destination)) if size else b""
    found = frame.find(ends) if ends else -1
    return found - (12 if size == 4 else 8) if found >= 0 else -1


def _overlong(chain: Chain, _: Theirs, frame: bytes) -> bool:
    """Whether a packet says that it ends behind the frame, or behind what it is wrapped in."""
    limit = len(frame)
    for row in chain:
        if (at := _at(row, frame)) < 0:
            continue
        if at + row["ip_len"] > limit:
            return True
        limit = at + row["ip_len"] if row["ip_len"] > 0 else limit
        if row["carries"] == 1:  # what an error quotes goes on
            return False
    return False


def _bad_extensions(row: dict[str, Any], frame: bytes) -> bool:
    """Hop-by-hop or destination options whose lengths contradict them, or a routing header of no known form."""
    at = _at(row, frame)
    if at < 0 or row["family"] != 6:
        return False
    following, at = frame[at + 6], at + 40
    while following in (0, 43, 44, 51, 60) and at + 2 <= len(frame):
        size = {44: 8, 51: 4 * frame[at + 1] + 8}.get(following, 8 * frame[at + 1] + 8)
        body = frame[at + 2 : at + size]
        if following == 43:
            return True
        while following in (0, 60) and body:
            option = 1 if body[0] == 0 else 2 + (body[1] if len(body) > 1 else 256)
            if option > len(body):
                return True
            body = body[option:]
        following, at = frame[at], at + size
    return False


def _bad_options(row: dict[str, Any], frame: bytes) -> bool:
    """IPv4 options whose lengths contradict them, or the header's (RFC 791)."""
    at = _at(row, frame)
    if at < 0 or row["family"] != 4:
        return False
    options = frame[at + 20 : at + 4 * (frame[at] & 0x0F)]
    while options and options[0]:
        if options[0] == 1:
            options = options[1:]
            continue
        least = {7: 3, 68: 4, 131: 3, 137: 3, 130: 11, 136: 4, 148: 4, 133: 3, 134: 10}.get(options[0], 2)
        if len(options) < 2 or options[1] < least or options[1] > len(options):
            return True
        options = options[options[1] :]
    return False


DIFFERENCES = {
    "tags": Difference(
        "two VLAN tags have columns; of what stands behind more than eight nothing is read",
        lambda _, theirs, __: len(theirs.get("vlan.id", [])) > 2,
        free=frozenset({"vlan.id"}),
    ),
    "below MPLS": Difference(
        "nothing in the bytes names what is below the labels; tshark goes by its first four bits",
        lambda chain, *_: any(row["ethertype"] in (0x8847, 0x8848) for row in chain),
        more_there=ALL,
    ),
    "RARP": Difference(
        "only ARP's own ethertype is ARP, as for the kernel",
        lambda chain, *_: any(row["ethertype"] == 0x8035 for row in chain),
        more_there=ALL,
    ),
    "802.2 and 802.3": Difference(
        "the kernel hands none of these to IP, not even those with a SNAP header that names it (net/802)",
        lambda chain, *_: any(row["ethertype"] in (1, 4) for row in chain),
        more_there=ALL,
    ),
    "another ethertype": Difference(
        "only IP, ARP and MPLS are read",
        lambda chain, *_: any(
            row["ethertype"] not in (0, 1, 4, 0x0800, 0x0806, 0x86DD, 0x8847, 0x8848) for row in chain
        ),
        more_there=ALL,
    ),
    "another protocol": Difference(
        "what isn't read stays a number: AH in IPv4, mobility, HIP and shim6 headers, ICMP in the other version of IP, "
        "EtherIP, L2TP, MPLS in IP",
        lambda chain, *_: any(
            row["family"] and row["proto"] >= 0 and row["proto"] not in READ[row["family"]] for row in chain
        ),
        more_there=ALL,
    ),
    "no VXLAN": Difference(
        "with flags or reserved bits that the kernel drops it for (vxlan_core.c: vxlan_rcv) it is UDP",
        _udp_to(4789, 8472, 4790),
        more_there=ALL,
    ),
    "no GENEVE": Difference(
        "of another version, or of no ethertype; or coming from that port and not going there",
        _udp_to(6081),
        more_there=ALL,
    ),
    "no GRE": Difference(
        "with routing, of another version, or with what is no ethertype it stays protocol 47",
        lambda chain, *_: any(row["proto"] == 47 and row["carries"] == 0 for row in chain),
        more_there=ALL,
    ),
    "length 0": Difference(
        "0 is a length that nobody knows (BIG TCP); tshark takes what is there for it, or nothing",
        lambda chain, *_: any(row["family"] and row["ethertype"] != 0x0806 and row["ip_len"] < 0 for row in chain),
        more_here=ALL,
        free=LENGTHS,
    ),
    "longer than its frame": Difference(
        "packets' own lengths are believed; tshark believes that of the frame or tunnel",
        _overlong,
        more_here=ALL,
        free=LENGTHS,
    ),
    "bad IP options": Difference(
        "where the options contradict themselves, tshark stops, and the header's length still says what is behind them",
        lambda chain, _, frame: any(_bad_options(row, frame) for row in chain),
        more_here=ALL,
    ),
    "bad IPv6 options": Difference(
        "where options contradict their header's length, tshark stops; so it does at routing headers that it dislikes",
        lambda chain, _, frame: any(_bad_extensions(row, frame) for row in chain),
        more_here=ALL,
    ),
    "MTU 0": Difference(
        "it says nothing (RFC 1191: from routers that don't know better)",
        lambda _, theirs, __: "0" in theirs.get("icmp.mtu", []),
        more_there=frozenset({"icmp.mtu"}),
    ),
    "DRARP": Difference(
        "tshark leaves out the target in a DRARP error (operation 7)",
        lambda chain, *_: any(row["arp_op"] == 7 for row in chain),
        more_here=frozenset({"arp.dst.proto_ipv4"}),
    ),
    "neighbour discovery's options": Difference(
        "what they hold isn't read: a redirected header is a packet in itself",
        lambda chain, *_: any(row["family"] == 6 and 133 <= row["icmp_type"] <= 137 for row in chain),
        more_there=ALL,
    ),
    "errors in errors": Difference(
        "what an error's quoted error quotes is read; tshark stops there",
        lambda chain, *_: [row["carries"] for row in chain].count(1) > 1,
        more_here=ALL,
    ),
}


def of(chain: Chain, theirs: Theirs, frame: bytes) -> list[str]:
    """The classes that a packet is in."""
    plain = decoded.normal(theirs)
    return [name for name, each in DIFFERENCES.items() if each.applies(chain, plain, frame)]


def unexplained(chain: Chain, theirs: Theirs, frame: bytes) -> list[str]:
    """The fields in which tshark contradicts perfpath, but for what the packet's classes explain."""
    classes = [DIFFERENCES[name] for name in of(chain, theirs, frame)]
    free = frozenset().union(*(each.free for each in classes))
    there = frozenset().union(*(each.more_there for each in classes))
    here = frozenset().union(*(each.more_here for each in classes))
    wrong = []
    for name, left, right in decoded.differing(chain, theirs):
        if (
            name in free
            or (name in there and right[: len(left)] == left)
            or (name in here and left[: len(right)] == right)
        ):
            continue
        wrong.append(f"{name}: {left} here, {right} there")
    return wrong
