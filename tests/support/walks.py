"""A small kernel that isn't one: packets walk through made-up namespaces, and the truth about each hop is kept.

What it imitates: veth pairs, bridges, routers and loopback; process and softirq context; skb addresses that are given
out again last in, first out, per CPU; echo replies that the kernel makes while the request still exists.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from perfpath import schema
from perfpath.netns.inventory import Interface, Inventory, Namespace
from perfpath.tables import Names, Table

if TYPE_CHECKING:
    import random

PROCESS, SOFTIRQ = 0x80, 0x10
FIRST_INUM = 4026532000


@dataclass
class Port:
    """One end of a veth pair; `peer` is set when both exist."""

    netns: int
    ifindex: int
    name: str
    peer: Port | None = None


@dataclass
class Node:
    """A namespace: a router, or with `bridge` a switch whose bridge has the addresses."""

    inum: int
    name: str
    bridge: str = ""
    ports: list[Port] = field(default_factory=list)


@dataclass
class Hop:
    """What the kernel would trace, and the truth beside it."""

    time: int
    cpu: int
    event: str
    dev: str
    address: int
    length: int
    flags: int
    task: int
    tid: int
    packet: int
    netns: int


class World:
    """A tree of namespaces wired with veth pairs."""

    def __init__(self, rng: random.Random, cpus: int = 2) -> None:
        self.rng = rng
        self.nodes: list[Node] = []
        self.hops: list[Hop] = []
        self.clock = [1_000_000_000 + 1_000 * cpu for cpu in range(cpus)]
        self.free: list[tuple[int, int]] = []  # (since, address), the last freed last
        self.packets = 0
        self.roles: dict[int, tuple[str, int]] = {}
        self.fresh = 0xFFFF888100000000

    def node(self, name: str, *, bridge: str = "") -> Node:
        made = Node(FIRST_INUM + len(self.nodes), name, bridge)
        self.nodes.append(made)
        return made

    def wire(self, left: Node, left_dev: str, right: Node, right_dev: str) -> None:
        one = Port(left.inum, 2 + len(left.ports), left_dev)
        two = Port(right.inum, 2 + len(right.ports), right_dev, one)
        one.peer = two
        left.ports.append(one)
        right.ports.append(two)

    def inventory(self) -> Inventory:
        return Inventory(tuple(Namespace(node.inum, node.name, interfaces=_interfaces(node)) for node in self.nodes))

    def ping(self, start: Node, end: Node, cpu: int, *, answered: bool = True, length: int = 84) -> None:
        """A process sends; the kernel at the other end answers in the same stretch of softirq."""
        request = self._packet(cpu)
        self._walk(request, self.way(start, end), cpu, length, flags=PROCESS, task=start.inum)
        if not answered:
            self._release(request, cpu)
            return
        reply = self._packet(cpu)
        self.roles[request[0]], self.roles[reply[0]] = ("request", reply[0]), ("reply", request[0])
        self.clock[cpu] += self.rng.randint(2_000, 9_000)
        self._walk(reply, self.way(end, start), cpu, length, flags=SOFTIRQ, task=start.inum)
        self._release(request, cpu)
        self._release(reply, cpu)

    def rest(self, cpu: int, least: int = 2_000, most: int = 3_000_000) -> None:
        self.clock[cpu] += self.rng.randint(least, most)

    def next_cpu(self) -> int:
        """The CPU that is furthest behind: so that no address is taken before it was freed."""
        return min(range(len(self.clock)), key=lambda cpu: self.clock[cpu])

    def way(self, start: Node, end: Node) -> list[tuple[str, str, int]]:
        """(event, device, namespace) of each hop."""
        if start is end:
            return [("net_dev_queue", "lo", start.inum), ("netif_rx", "lo", start.inum)]
        ports = self._route(start, end, None)
        assert ports is not None
        hops: list[tuple[str, str, int]] = []
        if start.bridge:
            hops.append(("net_dev_queue", start.bridge, start.inum))
        for port in ports:
            assert port.peer is not None
            hops.append(("net_dev_queue", port.name, port.netns))
            hops.append(("netif_rx", port.peer.name, port.peer.netns))
        if end.bridge:
            hops.append(("netif_receive_skb_entry", end.bridge, end.inum))
        return hops

    def _route(self, at: Node, end: Node, came: Port | None) -> list[Port] | None:
        if at is end:
            return []
        for port in at.ports:
            assert port.peer is not None
            if port is came:
                continue
            rest = self._route(self._at(port.peer.netns), end, port.peer)
            if rest is not None:
                return [port, *rest]
        return None

    def _at(self, inum: int) -> Node:
        return self.nodes[inum - FIRST_INUM]

    def _packet(self, cpu: int) -> tuple[int, int]:
        self.packets += 1
        for number in range(len(self.free) - 1, -1, -1):
            since, address = self.free[number]
            if since < self.clock[cpu] and self.rng.random() < 0.9:
                del self.free[number]
                return self.packets, address
        self.fresh += 0x100
        return self.packets, self.fresh

    def _release(self, packet: tuple[int, int], cpu: int) -> None:
        self.clock[cpu] += self.rng.randint(300, 1_500)
        self.free.append((self.clock[cpu], packet[1]))

    def _walk(
        self, packet: tuple[int, int], way: list[tuple[str, str, int]], cpu: int, length: int, *, flags: int, task: int
    ) -> None:
        received = False
        for event, dev, netns in way:
            sent = event == "net_dev_queue"
            if sent and received:
                flags = SOFTIRQ
            self.clock[cpu] += self.rng.randint(3_000, 9_000) if sent and received else self.rng.randint(900, 3_000)
            now = SOFTIRQ if event == "netif_receive_skb_entry" else flags
            long = length + 14 if sent else length
            self.hops.append(
                Hop(self.clock[cpu], cpu, event, dev, packet[1], long, now, task, task % 1000, packet[0], netns)
            )
            received = not sent

    def ordered(self) -> list[Hop]:
        return sorted(self.hops, key=lambda hop: (hop.time, hop.cpu))


def _interfaces(node: Node) -> tuple[Interface, ...]:
    found = [Interface(node.inum, 1, "lo")]
    master = 1000 if node.bridge else 0
    if node.bridge:
        found.append(Interface(node.inum, 1000, node.bridge, "bridge"))
    for port in node.ports:
        assert port.peer is not None
        found.append(
            Interface(
                node.inum,
                port.ifindex,
                port.name,
                "veth",
                master=master,
                peer=port.peer.ifindex,
                peer_netns=port.peer.netns,
            )
        )
    return tuple(found)


def table_of(hops: list[Hop], *, flags: bool = True, tasks: bool = True) -> Table:
    """EVENTS of these hops, as a reader would give them."""
    names = {name: Names() for name in ("event", "dev", "comm")}
    return Table.filled(
        schema.EVENTS,
        len(hops),
        names,
        time_ns=np.array([hop.time for hop in hops], dtype=np.int64),
        cpu=np.array([hop.cpu for hop in hops], dtype=np.int16),
        pid=np.array([hop.tid for hop in hops], dtype=np.int32),
        tid=np.array([hop.tid for hop in hops], dtype=np.int32),
        comm=np.array([names["comm"].code(f"task{hop.tid}") for hop in hops], dtype=np.int32),
        event=np.array([names["event"].code(hop.event) for hop in hops], dtype=np.int32),
        dev=np.array([names["dev"].code(hop.dev) for hop in hops], dtype=np.int32),
        skbaddr=np.array([hop.address for hop in hops], dtype=np.uint64),
        len=np.array([hop.length for hop in hops], dtype=np.uint32),
        **({"flags": np.array([hop.flags for hop in hops], dtype=np.int16)} if flags else {}),
        **({"task_netns": np.array([hop.task for hop in hops], dtype=np.uint32)} if tasks else {}),
    )


def random_world(rng: random.Random) -> World:
    """A tree of two to seven namespaces with names from a small set, so that many are alike."""
    world = World(rng, cpus=rng.randint(1, 3))
    copies = rng.randint(1, 2)
    plan = [(rng.randrange(number), rng.random() < 0.4) for number in range(1, rng.randint(2, 7))]
    root_bridge = rng.random() < 0.5
    alike = rng.random() < 0.6
    for copy in range(copies):
        made = [world.node(f"n{copy}-0", bridge="br0" if root_bridge else "")]
        for number, (parent, bridged) in enumerate(plan, 1):
            child = world.node(f"n{copy}-{number}", bridge="br0" if bridged else "")
            above = made[parent]
            dev = f"eth{len(above.ports)}" if alike else f"veth{copy if rng.random() < 0.5 else 0}-{number}"
            world.wire(child, "eth0", above, dev if dev not in {port.name for port in above.ports} else f"{dev}x")
            made.append(child)
    return world


def traffic(world: World, rng: random.Random, count: int) -> None:
    """Pings between random namespaces, some unanswered, on all CPUs at once."""
    flows = [_pair(world, rng) for _ in range(rng.randint(1, 5))]
    for _ in range(count):
        start, end = rng.choice(flows)
        cpu = world.next_cpu()
        world.ping(start, end, cpu, answered=rng.random() < 0.8, length=rng.choice((84, 84, 84, 92)))
        world.rest(cpu, most=rng.choice((20_000, 3_000_000)))


def _pair(world: World, rng: random.Random) -> tuple[Node, Node]:
    start = rng.choice(world.nodes)
    reachable = [node for node in world.nodes if node.name[:2] == start.name[:2]]
    return start, rng.choice(reachable)
