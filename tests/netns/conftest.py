"""Labs with everything an inventory must tell apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from perfpath.errors import CaptureError

if TYPE_CHECKING:
    from perfpath.capture.lab import Lab


@dataclass(frozen=True)
class Street:
    """Two namespaces with the same names and ifindexes everywhere, on a bridge in a third.

    kinds: the kinds of links this kernel could make in `left`.
    """

    middle: str
    left: str
    right: str
    kinds: frozenset[str]

    @property
    def all(self) -> tuple[str, str, str]:
        """The names."""
        return self.middle, self.left, self.right


WANTED = {
    "vlan": "link eth0 name x-vlan type vlan id 5",
    "vxlan": "name x-vxlan type vxlan id 42 dev eth0 dstport 4789 remote 198.18.0.9 local 198.18.0.8",
    "vxlan-group": "name x-vxlang type vxlan id 43 dev eth0 dstport 4789 group 239.0.0.1",
    "vxlan6": "name x-vxlan6 type vxlan id 44 dstport 4790 remote fd00::1 local fd00::2",
    "macvlan": "link eth0 name x-macvlan type macvlan mode bridge",
    "macvtap": "link eth0 name x-macvtap type macvtap mode vepa",
    "ipvlan": "link eth0 name x-ipvlan type ipvlan mode l3",
    "dummy": "name x-dummy type dummy",
    "geneve": "name x-geneve type geneve id 4 remote 198.18.0.2",
    "bond": "name x-bond type bond mode active-backup",
    "bridge": "name x-bridge type bridge vlan_filtering 1",
    "gre": "name x-gre type gre remote 198.18.0.1 local 198.18.0.2",
    "ifb": "name x-ifb type ifb",
    "vrf": "name x-vrf type vrf table 10",
    "veth": "name x-veth1 type veth peer name x-veth2",
    "macvlan-far": "link eth0 name x-far netns {right} type macvlan mode private",
    "vxlan-far": "name x-farvx netns {right} type vxlan id 45 dstport 4791",
    "vxlan-far-dev": "name x-farvd netns {right} type vxlan id 46 dstport 4792 dev eth0",
}


@pytest.fixture
def street(lab: Lab) -> Street:
    """A street in which every kind of link stands that this kernel has."""
    middle, left, right = (lab.namespace(name) for name in ("middle", "left", "right"))
    ports = []
    for number, end in enumerate((left, right)):
        port = f"port{number}"
        lab.ip("link", "add", "name", port, "netns", middle, "type", "veth", "peer", "name", "eth0", "netns", end)
        lab.up(end, "eth0")
        lab.up(middle, port)
        lab.address(end, "eth0", f"198.18.0.{number + 1}/24")
        ports.append(port)
    lab.bridge(middle, "br0", *ports)
    kinds = set()
    for kind, words in WANTED.items():
        try:
            lab.ip("link", "add", *words.format(right=right).split(), netns=left)
        except CaptureError:  # this kernel has no such kind
            continue
        kinds.add(kind)
    lab.ip("tuntap", "add", "x-tap", "mode", "tap", netns=left)
    lab.ip("address", "add", "198.18.1.1", "peer", "198.18.1.2", "dev", "eth0", netns=left)
    lab.ip("address", "add", "fd00:1::1/64", "dev", "x-veth1", netns=left)
    return Street(middle, left, right, frozenset(kinds))
