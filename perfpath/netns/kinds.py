"""What each kind of link says about itself beyond what all links have (IFLA_INFO_DATA), as `Interface.details`.

The attribute numbers are those of include/uapi/linux/if_link.h, if_tunnel.h; what a kind says that isn't listed here
isn't wanted. The keys are ours, and the same that `netns.ip_json` makes of iproute2's JSON.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Mapping

from perfpath.netns.netlink import attributes

Details = dict[str, str | int | bool]
Decoder = Callable[[bytes], str | int | bool | None]


def number(raw: bytes) -> int | None:
    """A number in the machine's order; 0 is left out."""
    return int.from_bytes(raw, sys.byteorder) or None


def port(raw: bytes) -> int | None:
    """A number in network order."""
    return int.from_bytes(raw, "big") or None


def true(raw: bytes) -> bool | None:
    """A flag that is set."""
    return any(raw) or None


def address(raw: bytes) -> str | None:
    """An IPv4 or IPv6 address; all zero is none."""
    family = {4: socket.AF_INET, 16: socket.AF_INET6}.get(len(raw))
    return socket.inet_ntop(family, raw) if family is not None and any(raw) else None


def one_of(names: Mapping[int, str]) -> Decoder:
    """A number that has a name; a number nobody named stays one."""
    return lambda raw: names.get(int.from_bytes(raw, sys.byteorder), int.from_bytes(raw, sys.byteorder))


MACVLAN_MODES = {1: "private", 2: "vepa", 4: "bridge", 8: "passthru", 16: "source"}
IPVLAN_MODES = {0: "l2", 1: "l3", 2: "l3s"}
BOND_MODES = dict(
    enumerate(("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"))
)
PORT_STATES = dict(enumerate(("disabled", "listening", "learning", "forwarding", "blocking")))  # BR_STATE_*
VLAN_PROTOCOLS = {0x8100: "802.1Q", 0x88A8: "802.1ad"}

_MACVLAN: dict[int, tuple[str, Decoder]] = {1: ("mode", one_of(MACVLAN_MODES))}
_IPVLAN: dict[int, tuple[str, Decoder]] = {1: ("mode", one_of(IPVLAN_MODES))}
_GRE: dict[int, tuple[str, Decoder]] = {
    1: ("link", number),
    4: ("ikey", port),
    5: ("okey", port),
    6: ("local", address),
    7: ("remote", address),
}
_IPTUNNEL: dict[int, tuple[str, Decoder]] = {1: ("link", number), 2: ("local", address), 3: ("remote", address)}
_VTI: dict[int, tuple[str, Decoder]] = {1: ("link", number), 4: ("local", address), 5: ("remote", address)}

KINDS: dict[str, dict[int, tuple[str, Decoder]]] = {
    "vlan": {1: ("vlan_id", number), 5: ("vlan_protocol", lambda raw: VLAN_PROTOCOLS.get(port(raw) or 0))},
    "vxlan": {
        1: ("vxlan_id", number),
        2: ("remote", address),
        3: ("link", number),
        4: ("local", address),
        15: ("port", port),
        16: ("remote", address),
        17: ("local", address),
        25: ("external", true),
    },
    "geneve": {
        1: ("geneve_id", number),
        2: ("remote", address),
        5: ("port", port),
        6: ("external", true),
        7: ("remote", address),
    },
    "macvlan": _MACVLAN,
    "macvtap": _MACVLAN,
    "ipvlan": _IPVLAN,
    "ipvtap": _IPVLAN,
    "tun": {3: ("mode", one_of({1: "tun", 2: "tap"})), 6: ("persist", true), 7: ("multi_queue", true)},
    "bond": {1: ("mode", one_of(BOND_MODES)), 2: ("active_port", number)},
    "bridge": {5: ("stp", true), 7: ("vlan_filtering", true)},
    "vrf": {1: ("table", number)},
    "netkit": {5: ("mode", one_of({0: "l2", 1: "l3"}))},
    "gre": _GRE,
    "gretap": _GRE,
    "ip6gre": _GRE,
    "ip6gretap": _GRE,
    "erspan": _GRE,
    "ip6erspan": _GRE,
    "ipip": _IPTUNNEL,
    "sit": _IPTUNNEL,
    "ip6tnl": _IPTUNNEL,
    "vti": _VTI,
    "vti6": _VTI,
    "xfrm": {1: ("link", number), 2: ("if_id", number)},
}

# What a master of this kind says of its port (IFLA_INFO_SLAVE_DATA).
PORTS: dict[str, dict[int, tuple[str, Decoder]]] = {
    "bridge": {1: ("port_state", one_of(PORT_STATES)), 4: ("hairpin", true), 33: ("isolated", true)},
    "bond": {1: ("port_state", one_of({0: "active", 1: "backup"}))},
    "vrf": {},
}


def details_of(kind: str, data: bytes | None, port_kind: str, port_data: bytes | None) -> Details:
    """The details of a link of `kind` that is a port of a `port_kind` ("" for none). Raises MalformedError."""
    details: Details = {}
    _collect(details, KINDS.get(kind, {}), data)
    if port_kind:
        details["port_of"] = port_kind
        _collect(details, PORTS.get(port_kind, {}), port_data)
    return details


def _collect(details: Details, wanted: Mapping[int, tuple[str, Decoder]], data: bytes | None) -> None:
    if not data or not wanted:
        return
    for number_of, raw in attributes(data).items():
        if number_of in wanted:
            key, decode = wanted[number_of]
            value = decode(raw)
            if value is not None:
                details[key] = value
