"""One namespace's links and addresses as rtnetlink tells them, before anybody knows where they lead.

Layouts: include/uapi/linux/if_link.h, if_addr.h, net_namespace.h; struct ifinfomsg of rtnetlink.h.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from perfpath.netns.kinds import Details, details_of
from perfpath.netns.netlink import MalformedError, attribute, attributes

if TYPE_CHECKING:
    from perfpath.netns.netlink import Netlink

RTM_GETLINK, RTM_GETADDR, RTM_GETNSID = 18, 22, 90
IFINFO = struct.Struct("=BxHiII")  # family, device type, index, flags, change
IFADDR = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index

IFF_UP, IFF_LOWER_UP = 0x1, 0x10000
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_QDISC, IFLA_MASTER, IFLA_LINKINFO = 1, 3, 4, 5, 6, 10, 18
IFLA_EXT_MASK, IFLA_LINK_NETNSID, IFLA_TARGET_NETNSID = 29, 37, 46
IFLA_INFO_KIND, IFLA_INFO_DATA, IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA = 1, 2, 4, 5
SKIP_STATISTICS = 1 << 3  # RTEXT_FILTER_SKIP_STATS: nobody here asks for counters
IFA_ADDRESS, IFA_LOCAL = 1, 2
NETNSA_NSID, NETNSA_FD = 1, 3

# Kinds whose IFLA_LINK always is the device they sit on.
STACKED = frozenset({"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec"})
NO_QUEUE = frozenset({"", "noqueue", "noop"})  # what is sent there goes on at once; noop: the device is down
PAIRS = frozenset({"veth", "netkit"})  # kinds of which IFLA_LINK is the other end, not a device below


@dataclass(slots=True)
class Link:
    """A link as its own namespace sees it.

    link: IFLA_LINK, the ifindex of the device below or of the other end, 0 for none.
    nsid: this namespace's number for the namespace `link` is in, None where that is this one.
    """

    ifindex: int
    name: str
    kind: str = ""
    mac: str = ""
    mtu: int = 0
    up: bool = True
    master: int = 0
    link: int = 0
    nsid: int | None = None
    details: Details = field(default_factory=dict)


def read_links(netlink: Netlink) -> list[Link]:
    """All links of the namespace the socket is in, in the kernel's order. Raises OSError."""
    request = IFINFO.pack(0, 0, 0, 0, 0) + attribute(IFLA_EXT_MASK, SKIP_STATISTICS.to_bytes(4, sys.byteorder))
    return [link_from(body) for body in netlink.dump(RTM_GETLINK, request)]


def read_link_of(netlink: Netlink, nsid: int, ifindex: int) -> Link:
    """A link in the namespace that the socket's own calls `nsid` (kernel >= 4.15). Raises OSError."""
    request = IFINFO.pack(0, 0, ifindex, 0, 0) + attribute(IFLA_TARGET_NETNSID, nsid.to_bytes(4, sys.byteorder))
    return link_from(netlink.ask(RTM_GETLINK, request))


def read_nsid(netlink: Netlink, path: str, inum: int) -> int | None:
    """What the socket's namespace calls the one at `path`; None for no number, or another namespace there by now."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_ino != inum:
            return None
        request = bytes(4) + attribute(NETNSA_FD, descriptor.to_bytes(4, sys.byteorder))  # struct rtgenmsg, padded
        answer = attributes(netlink.ask(RTM_GETNSID, request)[4:])
    finally:
        os.close(descriptor)
    nsid = _signed(answer, NETNSA_NSID)
    return nsid if nsid is not None and nsid >= 0 else None


def read_addresses(netlink: Netlink) -> dict[int, list[str]]:
    """The addresses with prefix length (`10.0.0.1/24`) by ifindex. Raises OSError."""
    found: dict[int, list[str]] = {}
    for body in netlink.dump(RTM_GETADDR, IFADDR.pack(0, 0, 0, 0, 0)):
        if len(body) < IFADDR.size:
            raise MalformedError(f"an address of {len(body)} bytes")
        family, prefix, _, _, ifindex = IFADDR.unpack_from(body)
        given = attributes(body[IFADDR.size :])
        raw = given.get(IFA_LOCAL) or given.get(IFA_ADDRESS)  # on a point-to-point link IFA_ADDRESS is the far end
        if raw is not None and len(raw) == {socket.AF_INET: 4, socket.AF_INET6: 16}.get(family):
            found.setdefault(ifindex, []).append(f"{socket.inet_ntop(family, raw)}/{prefix}")
    return found


def link_from(body: bytes) -> Link:
    """The link that the body of an RTM_NEWLINK or RTM_DELLINK describes. Raises MalformedError."""
    if len(body) < IFINFO.size:
        raise MalformedError(f"a link of {len(body)} bytes")
    _, _, ifindex, flags, _ = IFINFO.unpack_from(body)
    given = attributes(body[IFINFO.size :])
    info = attributes(given.get(IFLA_LINKINFO, b""))
    kind = _text(info.get(IFLA_INFO_KIND, b""))
    details = details_of(
        kind, info.get(IFLA_INFO_DATA), _text(info.get(IFLA_INFO_SLAVE_KIND, b"")), info.get(IFLA_INFO_SLAVE_DATA)
    )
    if flags & IFF_UP and not flags & IFF_LOWER_UP:
        details["carrier"] = False
    queue = queue_of(kind, _text(given.get(IFLA_QDISC, b"")))
    if queue:
        details["qdisc"] = queue
    nsid = _signed(given, IFLA_LINK_NETNSID)
    return Link(
        ifindex,
        _text(given.get(IFLA_IFNAME, b"")),
        kind,
        _hardware(given.get(IFLA_ADDRESS, b"")),
        _signed(given, IFLA_MTU) or 0,
        bool(flags & IFF_UP),
        _signed(given, IFLA_MASTER) or 0,
        lower_of(_signed(given, IFLA_LINK), kind, ifindex, nsid, details.pop("link", 0)),
        nsid,
        details,
    )


def queue_of(kind: str, qdisc: str) -> str:
    """The queueing discipline of a virtual device that has one, "" for none; hardware always has."""
    return "" if not kind or qdisc in NO_QUEUE else qdisc


def lower_of(link: int | None, kind: str, ifindex: int, nsid: int | None, below: object = 0) -> int:
    """What IFLA_LINK really says; 0 for nothing.

    Kernels before 4.20 left it out where both ends have the same ifindex. A tunnel whose packets go on in another
    namespace gives its *own* ifindex there for want of a device; the device, if it is bound to one, is `below`, among
    its own attributes (net/core/rtnetlink.c: nla_put_iflink, rtnl_fill_link_netnsid).
    """
    if kind in PAIRS or kind in STACKED:
        return ifindex if link is None and nsid is not None else link or 0
    if isinstance(below, int) and below:
        return below
    return 0 if link is None or link == ifindex else link


def _hardware(raw: bytes) -> str:
    """A hardware address; IP tunnels have their own IP address as one."""
    family = {4: socket.AF_INET, 16: socket.AF_INET6}.get(len(raw))
    return ":".join(f"{byte:02x}" for byte in raw) if family is None else socket.inet_ntop(family, raw)


def _text(raw: bytes) -> str:
    return os.fsdecode(raw.partition(b"\0")[0])


def _signed(given: dict[int, bytes], kind: int) -> int | None:
    """A 32-bit number, None where the attribute is missing or has another size."""
    raw = given.get(kind, b"")
    return int.from_bytes(raw, sys.byteorder, signed=True) if len(raw) == 4 else None
