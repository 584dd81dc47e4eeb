"""What stands where on this host: network namespaces, their interfaces, and how those are linked.

An inventory is a value: taken from the kernel (`netns.live`), or read from JSON, it answers the questions the rest of
the program has and touches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Interface:
    """One network interface.

    netns: inode number of its namespace. kind: rtnl link kind (`veth`, `bridge`, ...), "" for physical and lo.
    master: ifindex of the bridge, bond or team it is a port of (same namespace), 0 for none.
    lower, lower_netns: the device it sits on (IFLA_LINK; vlan, macvlan, vxlan underlay) and that device's namespace,
        0 for none or unknown.
    peer, peer_netns: the other end of a veth (or netkit) pair, verified from both ends; 0 where unknown.
    details: what the kind has beyond that, such as {"vlan_id": 5, "vxlan_id": 42, "mode": "bridge"}, `port_of` and
        `port_state` of a port, `carrier` False where up without carrier, `qdisc` of a virtual device that has a queue,
        and `underlay_netns`: the namespace (inode) in which a tunnel's packets go on, where that is another one (0:
        unknown which).
    born_ns, gone_ns, first_ns, last_ns: as a namespace's.
    """

    netns: int
    ifindex: int
    name: str
    kind: str = ""
    mac: str = ""
    mtu: int = 0
    up: bool = True
    master: int = 0
    lower: int = 0
    lower_netns: int = 0
    peer: int = 0
    peer_netns: int = 0
    addresses: tuple[str, ...] = ()
    details: dict[str, str | int | bool] = field(default_factory=dict)
    born_ns: int | None = None
    gone_ns: int | None = None
    first_ns: int | None = None
    last_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Namespace:
    """One network namespace.

    inum: inode number in nsfs, what `readlink /proc/self/ns/net` shows; dev: st_dev of that file (0 unknown).
    name: what people call it, not unique; origin: where the name is from: `host`, `ip netns`, `docker`, `podman`,
        `containerd`, `kubernetes`, `lxc`, `nspawn`, `process`, `mount` (a file bound to it), `none`.
    born_ns, gone_ns: it existed at most from the last look that didn't see it yet to the first that didn't see it any
        more (CLOCK_MONOTONIC); None where no look missed it. The kernel gives inode numbers out again at once: two
        namespaces of one inum are told apart by these times and by the cookie.
    first_ns, last_ns: it certainly existed from the one to the other, within born_ns and gone_ns: from the first look
        that saw it to when the last did, or to when nothing was heard of its end yet. None as there; in an inventory
        that doesn't say, nothing is certain of what came or went.
    cookie: a number that no other namespace ever gets (SO_NETNS_COOKIE), 0 where unknown.
    readable: False where its interfaces could not be read: any name may stand there too.
    """

    inum: int
    name: str
    origin: str = "none"
    dev: int = 0
    path: str = ""
    pids: tuple[int, ...] = ()
    born_ns: int | None = None
    gone_ns: int | None = None
    interfaces: tuple[Interface, ...] = ()
    cookie: int = 0
    readable: bool = True
    first_ns: int | None = None
    last_ns: int | None = None


@dataclass(frozen=True)
class Inventory:
    """All namespaces known, and the look-ups that others need.

    taken_ns, done_ns: when the look at the host began and ended (CLOCK_MONOTONIC); of merged ones, the last look's.
    gaps: from when to when something may have stood here that no look saw: between two looks, where anything came or
        went or was told of. At all other times the inventory is complete, as far as anybody knows.
    """

    namespaces: tuple[Namespace, ...] = ()
    taken_ns: int | None = None
    done_ns: int | None = None
    gaps: tuple[tuple[int, int], ...] = ()

    @cached_property
    def by_inum(self) -> dict[int, Namespace]:
        """Namespace by inode number; of several that had it one after the other, the last."""
        return {namespace.inum: namespace for namespace in self.namespaces}

    @cached_property
    def by_name(self) -> dict[str, tuple[Interface, ...]]:
        """All interfaces of a name, over all namespaces, in the order of the inventory."""
        found: dict[str, list[Interface]] = {}
        for namespace in self.namespaces:
            for interface in namespace.interfaces:
                found.setdefault(interface.name, []).append(interface)
        return {name: tuple(interfaces) for name, interfaces in found.items()}

    @cached_property
    def by_index(self) -> dict[tuple[int, int], Interface]:
        """Interface by (inode number of the namespace, ifindex); of several one after the other, the last."""
        return {
            (interface.netns, interface.ifindex): interface
            for namespace in self.namespaces
            for interface in namespace.interfaces
        }

    def at(self, time_ns: int) -> Inventory:
        """What may have stood here at that moment (CLOCK_MONOTONIC): all but what was gone, or not yet born."""

        def lived(each: Namespace | Interface) -> bool:
            return (each.born_ns is None or each.born_ns <= time_ns) and (
                each.gone_ns is None or time_ns <= each.gone_ns
            )

        return replace(
            self,
            namespaces=tuple(
                replace(namespace, interfaces=tuple(filter(lived, namespace.interfaces)))
                for namespace in self.namespaces
                if lived(namespace)
            ),
        )

    def peer(self, interface: Interface) -> Interface | None:
        """The other end of a veth pair, None where unknown."""
        return self.by_index.get((interface.peer_netns, interface.peer)) if interface.peer else None
