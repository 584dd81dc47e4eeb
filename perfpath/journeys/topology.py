"""Which step from one hop to the next an inventory allows.

A place is (device name, direction); its candidates are all interfaces of that name. A step between two candidates is
possible where the kernel can hand the same sk_buff from the one to the other, as drivers/net/{veth,macvlan,vxlan}.c,
drivers/net/ipvlan/, net/bridge/ and net/core/dev.c do it. What isn't known is possible.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from perfpath.netns.inventory import Interface, Inventory, Namespace

PAIRS = frozenset({"veth", "netkit"})
STACKED = frozenset({"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec"})  # IFLA_LINK is the device below
SHARED = frozenset({"macvlan", "macvtap", "ipvlan", "ipvtap"})  # these hand packets to each other and to that device
IPVLAN = frozenset({"ipvlan", "ipvtap"})
MACVLAN = SHARED - IPVLAN
TAPS = frozenset({"macvtap", "ipvtap"})  # these have a queue as soon as they are up
BONDS = frozenset({"bond", "team"})
MASTERS = BONDS | {"bridge"}
ENDS = frozenset({"", "tun", "dummy", "nlmon"})  # what is sent there has left the network stack
ROUTED = frozenset({"vrf", "ifb"})  # these hand packets to any device of their namespace
IP_TUNNELS = ("gre", "gretap", "ip6gre", "ip6gretap", "erspan", "ip6erspan", "ipip", "sit", "ip6tnl", "vti", "vti6")
TUNNELS = frozenset((*IP_TUNNELS, "vxlan", "geneve", "xfrm", "wireguard", "bareudp", "gtp"))
ANY_UNDERLAY = frozenset({"wireguard", "gtp"})
"""Tunnels that don't tell where their sockets are: in the namespace they were made in, or that their maker was in."""
WILD = "?"  # the kind of an interface that may exist in a namespace nobody could look into


NEVER, EVER = -(2**63), 2**63 - 1


class Seen(NamedTuple):
    """A device's name as a hop shows it. era: between which changes of the inventory (`Topology.changes`)."""

    name: str
    tx: bool
    era: int = 0


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a packet can have gone, or come from: these interfaces, all of these namespaces, or anywhere.

    but: the number of an interface that it never can, -1 for none.
    unlisted: namespaces, too, but only what the inventory lacks there.
    """

    places: frozenset[int] = frozenset()
    netns: frozenset[int] = frozenset()
    anywhere: bool = False
    but: int = -1
    unlisted: frozenset[int] = frozenset()

    def __contains__(self, place: Place) -> bool:
        if place.number == self.but:
            return False
        return self.anywhere or place.number in self.places or place.netns in self.netns or self._unlisted(place)

    def _unlisted(self, place: Place) -> bool:
        """Whether it is an interface nobody saw that may be in one of the namespaces."""
        if place.kind != WILD:
            return False
        if place.taken is None:
            return place.netns in self.unlisted
        return not (self.netns | self.unlisted) <= place.taken

    @property
    def nowhere(self) -> bool:
        """True where the packet ends, or begins."""
        return not (self.anywhere or self.places or self.netns)


ANYWHERE, NOWHERE = Reach(anywhere=True), Reach()


@dataclass(frozen=True, slots=True)
class Place:
    """An interface of the inventory, numbered over all namespaces.

    taken: of one that isn't listed at all, the namespaces where it can't be, since others of its name are there.
    """

    number: int
    netns: int
    name: str
    kind: str
    interface: Interface
    namespace: Namespace
    taken: frozenset[int] | None = None

    def existed(self, since: int, until: int) -> bool:
        """Whether it can have existed at some time between the two."""
        return _existed((self.namespace, self.interface), since, until)

    def certain(self, since: int, until: int) -> bool:
        """Whether it existed all the time between the two, so that nothing else was called so in its namespace."""
        return all(_certain(each, since, until) for each in (self.namespace, self.interface))

    @property
    def wild(self) -> bool:
        """Whether nobody saw it."""
        return self.kind == WILD

    @property
    def loopback(self) -> bool:
        """True for a namespace's `lo`, which has no kind."""
        return self.kind == "" and self.name == "lo"


class Topology:
    """An inventory as places and possible steps. Steps are looked up once for each pair and direction.

    timed: the recording's times are the inventory's (CLOCK_MONOTONIC), so that what was born or gone at a time counts.
    """

    def __init__(self, inventory: Inventory, *, timed: bool = False) -> None:
        from perfpath.netns.inventory import Namespace

        self.inventory = inventory
        self.changes = _changes(inventory) if timed else []
        self.places: list[Place] = []
        self.by_name: dict[str, list[Place]] = {}
        self._by_index: dict[tuple[int, int], list[Place]] = {}
        self._unreadable = [namespace for namespace in inventory.namespaces if not namespace.readable]
        for namespace in inventory.namespaces:
            for interface in namespace.interfaces:
                self._add(interface, namespace)
        if inventory.taken_ns is not None and any(_steady(self.places[each]) for each in self.lost):
            self._unreadable.append(Namespace(0, ""))  # the kernel was asked: the other end is where nobody looked
        self._reach: dict[tuple[int, bool, bool, bool], Reach] = {}
        self._steps: dict[tuple[Seen, Seen, bool], dict[int, frozenset[int]]] = {}
        self._loose: dict[int, list[Place]] = {}
        self._unlisted: dict[tuple[str, frozenset[int]], Place] = {}
        self._unseen: dict[tuple[str, int], Place] = {}
        self._open: dict[int, bool] = {}
        self._there: dict[tuple[str, int, bool], list[Place]] = {}
        self._listed: dict[tuple[int, int], bool] = {}
        self.lacking = False

    def _add(self, interface: Interface, namespace: Namespace) -> Place:
        place = Place(len(self.places), interface.netns, interface.name, interface.kind, interface, namespace)
        self.places.append(place)
        self.by_name.setdefault(interface.name, []).append(place)
        self._by_index.setdefault((interface.netns, interface.ifindex), []).append(place)
        return place

    @cached_property
    def stacked(self) -> bool:
        """Whether there are devices that share one below."""
        return any(place.kind in SHARED for place in self.places)

    def know_senders(self, inums: Iterable[int]) -> bool:
        """The namespaces in which processes sent: where one isn't listed, devices on others' may be missing, too.

        Returns whether that is new.
        """
        if self.lacking or self._inums.issuperset(inums):
            return False
        self.lacking = True
        for known in (self._reach, self._steps):
            known.clear()
        return True

    def shared(self, place: Place) -> bool:
        """Whether devices that hand packets to each other sit on it, and there may be more than those listed."""
        return self._lacks and any(each.kind in SHARED for each in self._above([place]))

    def open(self, era: int) -> bool:
        """Whether the inventory may lack what was there in an era: nobody looked, or the end of a pair led to it."""
        if era not in self._open:
            since, until = self._span(era)
            gap = any(start < until and end > since for start, end in self.inventory.gaps)
            lost = self.inventory.taken_ns is not None and any(
                self.places[each].existed(since, until) for each in self.lost
            )
            self._open[era] = gap or lost
        return self._open[era]

    def candidates(self, name: str, era: int = 0, *, wide: bool = False) -> list[Place]:
        """All interfaces that a name may mean in an era; none where the inventory doesn't know it.

        wide: also those of namespaces that only a process in them shows to exist.
        """
        wide &= self.lacking
        if (name, era, wide) not in self._there:
            listed = self._there_in(name, era)
            beside = self._beside(name, era, listed) if listed and (wide or self.open(era)) else []
            self._there[name, era, wide] = [*listed, *beside]
        return self._there[name, era, wide]

    def _there_in(self, name: str, era: int) -> list[Place]:
        span = self._span(era)
        return [place for place in self.named(name) if place.existed(*span)]

    def _beside(self, name: str, era: int, listed: Iterable[Place]) -> list[Place]:
        """What may have been called so in an era besides the listed ones."""
        span = self._span(era)
        sure = {place.netns for place in listed if place.certain(*span)}
        beside = [self.unseen(name, netns) for netns in sorted({place.netns for place in listed} - sure)]
        return beside if 0 in sure else [*beside, self.unlisted(name, era)]

    def unseen(self, name: str, netns: int) -> Place:
        """An interface of that name that a listed namespace may have had while nobody looked."""
        if (name, netns) not in self._unseen:
            from perfpath.netns.inventory import Interface

            space = self.inventory.by_inum[netns]
            place = Place(len(self.places), netns, name, WILD, Interface(netns, -1, name, WILD), space)
            self._unseen[name, netns] = place
            self.places.append(place)
        return self._unseen[name, netns]

    def lists(self, netns: int, era: int) -> bool:
        """Whether there was anything of a namespace in an era; inode numbers are given out again."""
        if (netns, era) not in self._listed:
            span = self._span(era)
            self._listed[netns, era] = any(place.netns == netns and place.existed(*span) for place in self.places)
        return self._listed[netns, era]

    def called(self, netns: int, era: int) -> str | None:
        """The name of a namespace in an era, None where it is unknown or had several."""
        same = [each for each in self.inventory.namespaces if each.inum == netns]
        named = {each.name for each in same if _existed((each,), *self._span(era))}
        return named.pop() if len(named) == 1 else None

    def _span(self, era: int) -> tuple[int, int]:
        if not self.changes:
            return NEVER, EVER
        since = self.changes[era - 1] if era else NEVER
        return since, self.changes[era] if era < len(self.changes) else EVER

    def named(self, name: str) -> list[Place]:
        """All interfaces that a name may mean at any time."""
        if self._unreadable and not any(place.kind == WILD for place in self.by_name.get(name, ())):
            from perfpath.netns.inventory import Interface

            for namespace in self._unreadable:
                self._add(Interface(namespace.inum, -1, name, WILD), namespace)
        return self.by_name.get(name, [])

    def reaches(self, netns: int, name: str) -> bool:
        """Whether a program of a namespace (0 unknown) can send by a device of that name; -1: can write to one."""
        there = self.named(name)
        if netns < 0:
            return any(place.kind in ENDS or place.kind == WILD for place in there)
        return not netns or any(place.netns == netns or place.kind == WILD for place in there)

    def steps(self, seen: Seen, to: Seen, *, wide: bool = False) -> dict[int, frozenset[int]]:
        """For each candidate of a sighting, the candidates of the next that it can reach."""
        key = seen, to, wide and self.lacking
        if key not in self._steps:
            ahead = self.candidates(to.name, to.era, wide=wide)
            self._steps[key] = {
                place.number: frozenset(each.number for each in ahead if self.possible(place, seen.tx, each, to.tx))
                for place in self.candidates(seen.name, seen.era, wide=wide)
            }
        return self._steps[key]

    def queues(self, seen: Seen, to: Seen) -> bool:
        """Whether a packet sent at the one may have waited in a queue there before it is sent at the other.

        Whoever sends next empties the queue (__dev_xmit_skb, qdisc_run): that may be another process.
        """
        return any(
            steps and (self.places[number].kind in TAPS or "qdisc" in self.places[number].interface.details)
            for number, steps in self.steps(seen, to).items()
        )

    def possible(self, place: Place, tx: bool, to: Place, to_tx: bool) -> bool:
        """Whether a packet seen at the one place can be seen at the other next."""
        return to in self.onward(place, tx, to_tx) and place in self.origin(to, to_tx, tx)

    def onward(self, place: Place, tx: bool, to_tx: bool) -> Reach:
        """Where a packet seen at a place can be seen next, in that direction."""
        key = (place.number, tx, to_tx, True)
        if key not in self._reach:
            self._reach[key] = self._onward(place, tx, to_tx)
        return self._reach[key]

    def origin(self, place: Place, tx: bool, from_tx: bool) -> Reach:
        """Where a packet seen at a place can have been seen before, in that direction."""
        key = (place.number, tx, from_tx, False)
        if key not in self._reach:
            if tx:
                self._reach[key] = ANYWHERE if from_tx or place.kind == WILD else self._forwarded_from(place)
            else:
                self._reach[key] = self._received_from(place, from_tx)
        return self._reach[key]

    def _onward(self, place: Place, tx: bool, to_tx: bool) -> Reach:
        if place.kind == WILD:
            return ANYWHERE
        if not tx:
            return self._forwarded(place) if to_tx else ANYWHERE
        return self._sent_on(place) if to_tx else self._crossed(place)

    def _forwarded(self, place: Place) -> Reach:
        """rx, then tx. What a bridge's port received leaves by a port, or shows at the bridge first.

        Except what a VLAN on that port took off before (vlan_do_receive comes before the bridge's rx_handler).
        """
        if place.loopback:
            return NOWHERE
        master = self._master(place)
        if master is None or master.kind != "bridge":
            return Reach(netns=self.receivers(place))
        above = [each for each in self._above([place]) if each.kind in STACKED]
        netns = self._hidden_above(place).union(*(self.receivers(each) for each in above))
        return Reach(_numbers(self._ports(master)), netns, unlisted=frozenset({place.netns}))

    def _forwarded_from(self, place: Place) -> Reach:
        """What is received, then sent: by a bridge's port what another port received, by a bond's port nothing."""
        if place.loopback:
            return NOWHERE
        master = self._master(place)
        if master is None or master.kind not in MASTERS:
            return ANYWHERE
        return self._shown_at_ports(master) if master.kind == "bridge" else NOWHERE

    def _shown_at_ports(self, master: Place) -> Reach:
        return replace(self._shown_at(self._ports(master)), unlisted=frozenset({master.netns}))

    def _shown_at(self, places: Iterable[Place]) -> Reach:
        """The devices that show what these receive: themselves, or what a VLAN or a bond has below.

        Such a device takes what is received in another round of __netif_receive_skb_core, which no tracepoint shows.
        """
        found, waiting = set[int](), list(places)
        while waiting:
            place = waiting.pop()
            if place.number in found:
                continue
            found.add(place.number)
            below = self._ports(place) if place.kind in BONDS else self._lower(place)
            if not below and place.kind in STACKED:
                return ANYWHERE
            waiting += below if place.kind in BONDS or place.kind in STACKED else []
        return Reach(places=frozenset(found))

    def _sent_on(self, place: Place) -> Reach:
        """tx, then tx: a device that sends through another."""
        if place.kind in MASTERS:
            return Reach(_numbers(self._ports(place)), unlisted=frozenset({place.netns}))
        if place.kind in STACKED:
            below = self._lower(place)
            if not below:
                return ANYWHERE
            routed = frozenset(each.netns for each in below) if place.kind in IPVLAN else frozenset()
            return Reach(places=_numbers(below), netns=routed)
        if place.kind in TUNNELS:
            return self._underlay(place)
        if place.kind in ROUTED:
            return Reach(netns=frozenset({place.netns}))
        return NOWHERE if place.kind in ENDS or place.kind in PAIRS else ANYWHERE

    def _crossed(self, place: Place) -> Reach:
        """tx, then rx: a pair's other end, loopback, or neighbours on one lower device."""
        if place.kind in PAIRS:
            return self._peer(place)
        if place.loopback:
            return Reach(places=frozenset({place.number}))
        if place.kind in SHARED:
            below = self._lower(place)
            beside = self._above(below) if place.kind in IPVLAN else []  # macvlan shows what it hands over at the lower
            if place.kind in MACVLAN and not _bridging(place):
                return NOWHERE
            return Reach(places=_numbers(below) | _numbers(beside)) if below else ANYWHERE
        if place.kind in ROUTED:
            return Reach(netns=frozenset({place.netns}))
        return NOWHERE if place.kind in ENDS or place.kind in MASTERS or place.kind in STACKED else ANYWHERE

    def _received_from(self, place: Place, from_tx: bool) -> Reach:
        """What can come before an rx hop."""
        if place.kind == WILD:
            return ANYWHERE
        return self._received_sent(place) if from_tx else self._received_received(place)

    def _received_sent(self, place: Place) -> Reach:
        above = _numbers(each for each in self._above([place]) if each.kind in SHARED)
        above |= self._redirectors.get(place.netns, frozenset())
        hidden = self._hidden_above(place)
        if place.kind in MACVLAN:
            return NOWHERE  # copies of broadcasts begin there
        if place.kind in PAIRS:
            peer = self._peer(place)
            return peer if peer.anywhere else replace(peer, places=peer.places | above, netns=peer.netns | hidden)
        if place.loopback:
            return Reach(places=frozenset({place.number}) | above)
        if place.kind in IPVLAN:
            below = self._lower(place)
            return Reach(places=_numbers(self._above(below))) if below else ANYWHERE
        if place.kind in ROUTED:
            return Reach(netns=frozenset({place.netns}))
        return Reach(places=above, netns=hidden) if place.kind in ENDS or place.kind in MASTERS else ANYWHERE

    def _received_received(self, place: Place) -> Reach:
        if place.kind in MASTERS:
            return self._shown_at_ports(place)
        if place.kind in TUNNELS:
            return self._underlay(place)
        if place.kind in STACKED:
            return self._shown_at([place])
        return NOWHERE if place.kind in ENDS or place.kind in PAIRS else ANYWHERE

    def receivers(self, place: Place) -> frozenset[int]:
        """The namespaces in which a packet received there can go on: those of the devices on top of it, too."""
        found, waiting = {place.netns}, [place]
        while waiting:
            found |= self._hidden_above(waiting[-1])
            above = [each for each in self._above([waiting.pop()]) if each.kind in STACKED]
            waiting += [each for each in above if each.netns not in found]
            found |= {each.netns for each in above}
        return frozenset(found)

    def handed_to(self, place: Place, sender: Place) -> frozenset[int]:
        """The same, where the hop before shows who sent it.

        A macvlan shows a frame for a neighbour at the device below both (macvlan_queue_xmit), never one for that
        device itself, nor for itself: what has the receiver's own address for its source is dropped.
        """
        if sender.kind not in MACVLAN or place not in self._lower(sender):
            return self.receivers(place)
        neighbours = [each for each in self._above([place]) if _bridging(each) and each != sender]
        return self._hidden_above(place).union(*(self.receivers(each) for each in neighbours))

    def _hidden_above(self, place: Place) -> frozenset[int]:
        """The namespaces that nobody looked into, where they may have such devices on this one as others have."""
        if not any(each.kind in SHARED for each in self._above([place])):
            return frozenset()
        return frozenset({*(namespace.inum for namespace in self._unreadable), *((0,) if self._lacks else ())})

    @property
    def _lacks(self) -> bool:
        return self.lacking or bool(self.inventory.gaps)

    def _underlay(self, place: Place) -> Reach:
        """Where a tunnel's packets go on."""
        below = {each.netns for each in self._lower(place)}
        other = place.interface.details.get("underlay_netns", 0 if place.kind in ANY_UNDERLAY else place.netns)
        netns = below or {int(other)}
        return Reach(netns=frozenset(netns)) if any(netns) else ANYWHERE

    @cached_property
    def _redirectors(self) -> dict[int, frozenset[int]]:
        """The ifb devices of each namespace: what was redirected to one is received at its own device again."""
        found: dict[int, frozenset[int]] = {}
        for place in self.places:
            if place.kind == "ifb":
                found[place.netns] = found.get(place.netns, frozenset()) | {place.number}
        return found

    def _master(self, place: Place) -> Place | None:
        found = self._by_index.get((place.netns, place.interface.master), []) if place.interface.master else []
        return found[-1] if found else None

    def _peer(self, place: Place) -> Reach:
        if place.number not in self.lost:
            return Reach(places=_numbers(self._ends(place)))
        if not self.hides or not _steady(place):
            return Reach(anywhere=True, but=place.number)
        return Reach(places=self.passing, netns=frozenset(namespace.inum for namespace in self._unreadable))

    def _ends(self, place: Place) -> list[Place]:
        """The other end of a pair, as both ends tell; several where one came after the other."""
        interface = place.interface
        ends = self._by_index.get((interface.peer_netns, interface.peer), []) if interface.peer else []
        return [
            end for end in ends if (end.interface.peer_netns, end.interface.peer) == (place.netns, interface.ifindex)
        ]

    @cached_property
    def _inums(self) -> frozenset[int]:
        return frozenset({0, *(namespace.inum for namespace in self.inventory.namespaces)})

    @property
    def hides(self) -> bool:
        """Whether there is a namespace that nobody looked into (number 0): a pair's other end is there."""
        return any(not namespace.inum for namespace in self._unreadable)

    @cached_property
    def lost(self) -> frozenset[int]:
        """The ends of pairs whose other end the inventory doesn't have, or doesn't know to be theirs."""
        return _numbers(place for place in self.places if place.kind in PAIRS and not self._ends(place))

    @cached_property
    def passing(self) -> frozenset[int]:
        """Those of `lost` that came or went: looks may have seen neither of the ends."""
        return frozenset(each for each in self.lost if not _steady(self.places[each]))

    def unlisted(self, name: str, era: int) -> Place:
        """An interface of that name that the inventory lacks: no candidate until a path or an era leads there."""
        key = name, frozenset(place.netns for place in self._there_in(name, era))
        if key not in self._unlisted:
            from perfpath.netns.inventory import Interface, Namespace

            interface = Interface(0, -1, name, WILD)
            self._unlisted[key] = Place(len(self.places), 0, name, WILD, interface, Namespace(0, ""), key[1])
            self.places.append(self._unlisted[key])
        return self._unlisted[key]

    def _lower(self, place: Place) -> list[Place]:
        interface = place.interface
        return self._by_index.get((interface.lower_netns, interface.lower), []) if interface.lower else []

    @cached_property
    def _uppers(self) -> dict[int, list[Place]]:
        uppers: dict[int, list[Place]] = {}
        for place in self.places:
            for below in self._lower(place):
                uppers.setdefault(below.number, []).append(place)
        return uppers

    def _above(self, places: Iterable[Place]) -> list[Place]:
        return [upper for place in places for upper in self._uppers.get(place.number, ())]

    @cached_property
    def _slaves(self) -> dict[tuple[int, int], list[Place]]:
        slaves: dict[tuple[int, int], list[Place]] = {}
        for place in self.places:
            interface = place.interface
            if interface.master:
                slaves.setdefault((place.netns, interface.master), []).append(place)
            elif interface.born_ns is not None or interface.gone_ns is not None:
                self._loose.setdefault(place.netns, []).append(place)
        return slaves

    def _ports(self, place: Place) -> list[Place]:
        """What is a port of it, or came or went too quickly for anybody to see what it was."""
        ports = self._slaves.get((place.netns, place.interface.ifindex), [])
        return ports + self._loose.get(place.netns, [])


def _changes(inventory: Inventory) -> list[int]:
    """All times at which something came or went, or may have, in order."""
    things: list[Namespace | Interface] = [*inventory.namespaces]
    things += [interface for namespace in inventory.namespaces for interface in namespace.interfaces]
    times = {time for thing in things for time in (thing.born_ns, thing.first_ns, thing.last_ns, thing.gone_ns)}
    return sorted({time for time in times if time is not None}.union(*inventory.gaps))


def _existed(things: tuple[Namespace | Interface, ...], since: int, until: int) -> bool:
    """Whether these can have existed all at one time between the two."""
    born = max(each.born_ns if each.born_ns is not None else NEVER for each in things)
    gone = min(each.gone_ns if each.gone_ns is not None else EVER for each in things)
    return born < until and gone > since


def _certain(each: Namespace | Interface, since: int, until: int) -> bool:
    """Whether it existed all the time between the two for certain."""
    if each.born_ns is not None and (each.first_ns is None or each.first_ns > since):
        return False
    return each.gone_ns is None or (each.last_ns is not None and each.last_ns >= until)


def _steady(place: Place) -> bool:
    """Whether it stood there all the time, so that every look saw it."""
    times = (place.namespace, place.interface)
    return all(each.born_ns is None and each.gone_ns is None for each in times)


def _bridging(place: Place) -> bool:
    """Whether a macvlan hands frames to its neighbours, as far as anybody knows."""
    return place.kind in MACVLAN and place.interface.details.get("mode", "bridge") == "bridge"


def routing(place: Place) -> bool:
    """Whether an ipvlan has its packets routed in the namespace below, which asks for neighbours in its own name."""
    return place.kind in IPVLAN and place.interface.details.get("mode", "l3") != "l2"


def _numbers(places: Iterable[Place]) -> frozenset[int]:
    return frozenset(place.number for place in places)
