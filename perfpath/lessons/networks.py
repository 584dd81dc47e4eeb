"""How the network of each scenario is built."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfpath.errors import CaptureError
from perfpath.lessons import offloads
from perfpath.lessons.packet import Place

if TYPE_CHECKING:
    from perfpath.capture.lab import Lab

Way = tuple[Place, ...]
PINGS = ("-c", "2", "-i", "0.3", "-W", "2")


@dataclass(frozen=True, slots=True)
class Run:
    """What to trace in a network that has been built.

    paths: the ways that packets must take, known from how it was built. note: what in it depends on this run.
    """

    command: tuple[str, ...]
    paths: tuple[Way, ...]
    note: str = ""


def path(text: str) -> Way:
    """`tx br0, tx port, rx eth0` as places."""
    steps = (step.strip().split(" ", 1) for step in text.split(","))
    return tuple(Place(dev, direction) for direction, dev in steps)


def loopback(lab: Lab) -> Run:
    """Nothing to build: every host has one."""
    del lab
    way = path("tx lo, rx lo")
    return Run(("ping", *PINGS, "127.0.0.1"), (way,))


def _bridged(lab: Lab) -> tuple[str, str, str, str]:
    """A bridge on the host with one namespace behind it: the names of bridge, port and namespace, and its address."""
    bridge, port, net = f"{lab.prefix}br", f"{lab.prefix}ve", lab.subnet()
    inside = lab.namespace("box")
    lab.veth("", port, inside, "eth0")
    lab.bridge("", bridge, port)
    lab.address("", bridge, f"{net[1]}/24")
    lab.address(inside, "eth0", f"{net[2]}/24")
    _warm(lab, "", str(net[2]))
    return bridge, port, inside, str(net[2])


def container(lab: Lab) -> Run:
    """A bridge on the host, and a namespace behind it."""
    bridge, port, _, address = _bridged(lab)
    ways = (path(f"tx {bridge}, tx {port}, rx eth0"), path(f"tx eth0, rx {port}, rx {bridge}"))
    return Run(
        ("ping", *PINGS, address), ways, f"{bridge} is the bridge, {port} its port; eth0 is inside the namespace"
    )


def external(lab: Lab) -> Run:
    """The host, a link with NAPI at both ends, a router, and a namespace behind that."""
    card, net, far = f"{lab.prefix}wl", lab.subnet(), lab.subnet()
    router, phone = lab.namespace("router"), lab.namespace("phone")
    lab.veth("", card, router, "wlan0")
    lab.veth(router, "eth1", phone, "eth0")
    for netns, dev in (("", card), (router, "wlan0")):
        offloads.like_a_card(netns, dev)
    lab.address("", card, f"{net[2]}/24")
    lab.address(router, "wlan0", f"{net[1]}/24")
    lab.address(router, "eth1", f"{far[1]}/24")
    lab.address(phone, "eth0", f"{far[2]}/24")
    lab.forward(router)
    lab.ip("route", "add", str(far), "via", str(net[1]))
    lab.ip("route", "add", "default", "via", str(far[1]), netns=phone)
    _warm(lab, "", str(far[2]))
    out = path(f"tx {card}, rx wlan0, tx eth1, rx eth0")
    back = path(f"tx eth0, rx eth1, tx wlan0, rx {card}")
    return Run(
        ("ping", *PINGS, str(far[2])), (out, back), f"{card} stands for this machine's card: it has NAPI, as real ones"
    )


def router(lab: Lab) -> Run:
    """Two namespaces with a third between them that forwards."""
    left, middle, right = (lab.namespace(label) for label in ("left", "middle", "right"))
    one, two = lab.subnet(), lab.subnet()
    lab.veth(left, "eth0", middle, "eth0")
    lab.veth(middle, "eth1", right, "eth1")
    lab.address(left, "eth0", f"{one[2]}/24")
    lab.address(middle, "eth0", f"{one[1]}/24")
    lab.address(middle, "eth1", f"{two[1]}/24")
    lab.address(right, "eth1", f"{two[2]}/24")
    lab.forward(middle)
    lab.ip("route", "add", "default", "via", str(one[1]), netns=left)
    lab.ip("route", "add", "default", "via", str(two[1]), netns=right)
    _warm(lab, left, str(two[2]))
    ways = (path("tx eth0, rx eth0, tx eth1, rx eth1"), path("tx eth1, rx eth1, tx eth0, rx eth0"))
    command = tuple(lab.command(left, "ping", *PINGS, str(two[2])))
    return Run(command, ways, "eth0 is two devices, one in each of two namespaces; so is eth1")


def vxlan(lab: Lab) -> Run:
    """Two namespaces with a link between them, and a tunnel over that."""
    ends = (lab.namespace("one"), lab.namespace("two"))
    under, over = lab.subnet(), lab.subnet()
    lab.veth(ends[0], "eth0", ends[1], "eth0")
    for at, netns in enumerate(ends, start=1):
        lab.address(netns, "eth0", f"{under[at]}/24")
        remote = str(under[3 - at])
        tunnel = ("type", "vxlan", "id", "42", "dstport", "4789", "remote", remote, "dev", "eth0")
        lab.ip("link", "add", "vx0", *tunnel, netns=netns)
        lab.up(netns, "vx0")
        lab.address(netns, "vx0", f"{over[at]}/24")
    _warm(lab, ends[0], str(over[2]))
    way = path("tx vx0, tx eth0, rx eth0, rx vx0")
    return Run(tuple(lab.command(ends[0], "ping", *PINGS, str(over[2]))), (way,), "vx0 is the tunnel, eth0 carries it")


RULES = """table inet lesson {
  chain input {
    type filter hook input priority 0; policy accept;
    ip protocol icmp drop
  }
}
"""


def drop(lab: Lab) -> Run:
    """The bridge, with a firewall rule in the namespace behind it."""
    if shutil.which("nft") is None:
        raise CaptureError("the `nft` command is missing, for the firewall rule: install nftables")
    bridge, port, inside, address = _bridged(lab)
    lab.run(inside, "nft", "-f", "-", stdin=RULES)
    way = path(f"tx {bridge}, tx {port}, rx eth0")
    return Run(("ping", "-c", "1", "-W", "1", address), (way,), "the namespace's firewall drops ICMP: no reply")


def queue(lab: Lab) -> Run:
    """The bridge, with a port whose queueing discipline loses everything."""
    if shutil.which("tc") is None:
        raise CaptureError("the `tc` command is missing, for the queueing discipline: install iproute2")
    bridge, port, _, address = _bridged(lab)
    lab.run("", "tc", "qdisc", "add", "dev", port, "root", "blackhole")
    way = path(f"tx {bridge}, tx {port}")
    return Run(("ping", "-c", "1", "-W", "1", address), (way,), f"the queue of {port} takes every packet and loses it")


BULK_BYTES = 30_000


def bulk(lab: Lab) -> Run:
    """Two namespaces and a link with NAPI; the receiver holds packets a little, so that they merge."""
    sender, receiver, net = lab.namespace("sender"), lab.namespace("receiver"), lab.subnet()
    lab.veth(sender, "eth0", receiver, "eth1")
    for at, (netns, dev) in enumerate(((sender, "eth0"), (receiver, "eth1")), start=1):
        offloads.like_a_card(netns, dev)
        lab.ip("link", "set", dev, "gso_max_segs", "1", netns=netns)
        lab.address(netns, dev, f"{net[at]}/24")
    lab.run(receiver, "tee", "/sys/class/net/eth1/gro_flush_timeout", stdin="100000")  # ns; a card gets batches instead
    _warm(lab, sender, str(net[2]))
    command = (sys.executable, "-P", "-m", "perfpath.lessons.bulk", sender, receiver, str(net[1]), str(BULK_BYTES))
    return Run(command, (path("tx eth0, rx eth1"), path("tx eth1, rx eth0")), "eth0 sends, eth1 receives and merges")


def _warm(lab: Lab, netns: str, address: str) -> None:
    """One ping before anything is traced: it shows that all is up, and settles the ARP entries."""
    lab.run(netns, "ping", "-c", "1", "-W", "2", address)
