"""Which steps a topology allows between kinds of devices that show less, or lead further, than their names say."""

from __future__ import annotations

import pytest

from perfpath.journeys.topology import Place, Topology
from perfpath.netns.inventory import Interface, Inventory, Namespace

HOST, BOX, OTHER = 4026531840, 4026532001, 4026532002


def topology(*interfaces: Interface) -> Topology:
    """Namespaces with these, all of them listed."""
    inums = sorted({HOST, BOX, OTHER, *(each.netns for each in interfaces)})
    spaces = (Namespace(inum, str(inum), interfaces=tuple(i for i in interfaces if i.netns == inum)) for inum in inums)
    return Topology(Inventory(tuple(spaces)))


def at(where: Topology, name: str, netns: int = HOST) -> Place:
    return next(place for place in where.candidates(name) if place.netns == netns)


def allowed(where: Topology, step: str, *, here: int = HOST, there: int = HOST) -> bool:
    """Whether `rx eth0, tx eth1` can be one packet's."""
    (tx, name), (to_tx, to) = (part.split() for part in step.split(", "))
    return where.possible(at(where, name, here), tx == "tx", at(where, to, there), to_tx == "tx")


BRIDGE = (Interface(HOST, 9, "br0", "bridge"), Interface(HOST, 3, "eth1", master=9))
VLAN_PORT = (
    *BRIDGE,
    Interface(HOST, 2, "eth0"),
    Interface(HOST, 4, "eth0.5", "vlan", master=9, lower=2, lower_netns=HOST),
)
BOND_PORT = (
    *BRIDGE,
    Interface(HOST, 2, "eth0", master=5),
    Interface(HOST, 5, "bond0", "bond", master=9),
)


@pytest.mark.parametrize("interfaces", [VLAN_PORT, BOND_PORT])
def test_what_a_port_receives_may_show_below_it(interfaces: tuple[Interface, ...]) -> None:
    """A VLAN or a bond that is a bridge's port shows nothing when it receives: what the port has below does."""
    where = topology(*interfaces, Interface(HOST, 8, "eth7"))
    assert allowed(where, "rx eth0, rx br0")
    assert allowed(where, "rx eth0, tx eth1")
    assert not allowed(where, "rx eth7, rx br0")
    assert not allowed(where, "rx eth7, tx eth1")


def test_a_vlan_on_a_port_takes_its_frames_before_the_bridge() -> None:
    """What came in by a port goes on anywhere in the namespace then, and only then."""
    outside = Interface(HOST, 8, "eth7")
    assert not allowed(topology(*BRIDGE, outside), "rx eth1, tx eth7")
    tagged = Interface(HOST, 7, "eth1.5", "vlan", lower=3, lower_netns=HOST)
    assert allowed(topology(*BRIDGE, outside, tagged), "rx eth1, tx eth7")


def test_what_went_through_an_ifb_is_received_at_its_device_again() -> None:
    """In that namespace, not in others."""
    ends = (
        Interface(HOST, 2, "eth0", "veth", peer=2, peer_netns=BOX),
        Interface(BOX, 2, "eth0", "veth", peer=2, peer_netns=HOST),
    )
    where = topology(*ends, Interface(HOST, 3, "ifb0", "ifb"))
    assert allowed(where, "tx ifb0, rx eth0")
    assert not allowed(where, "tx ifb0, rx eth0", there=BOX)


@pytest.mark.parametrize(
    ("kind", "told", "anywhere"),
    [("wireguard", {}, True), ("gretap", {}, False), ("gretap", {"underlay_netns": 0}, True), ("vxlan", {}, False)],
)
def test_a_tunnel_goes_on_where_it_is_known_to(kind: str, told: dict[str, int], anywhere: bool) -> None:
    """A wireguard doesn't tell in which namespace its sockets are, nor does what nobody could ask about."""
    tunnel = Interface(BOX, 3, "tun0", kind, details={**told})
    where = topology(tunnel, Interface(BOX, 2, "eth0"), Interface(HOST, 2, "eth0"))
    assert allowed(where, "tx tun0, tx eth0", here=BOX, there=BOX)
    assert allowed(where, "tx tun0, tx eth0", here=BOX) is anywhere
    assert allowed(where, "rx eth0, rx tun0", there=BOX) is anywhere
