"""A made-up host whose containers come and go while packets walk, and somebody looks at it now and then.

Names, inode numbers and the looks' times are as unkind as they can be: all containers are called alike, inode numbers
are given out again at once, and what stood there between two looks nobody saw.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from walks import FIRST_INUM, Node, Port, World

from perfpath.netns.heard import Heard, all_known, with_unseen
from perfpath.netns.inventory import Inventory
from perfpath.netns.links import Link
from perfpath.netns.merge import merge, with_gap

if TYPE_CHECKING:
    import random

HERE = -1
ROUND = 400_000


@dataclass
class Box:
    """A container: its namespace, and its end of a pair, once it has one."""

    node: Node
    cookie: int
    home: Node


@dataclass
class Look:
    """What a look found, and what was heard since the one before began."""

    inventory: Inventory
    links: list[Heard] = field(default_factory=list)
    words: list[int] = field(default_factory=list)


class Changing(World):
    """Hosts with a bridge each, one container that stays at each, and others that come and go."""

    def __init__(self, rng: random.Random, homes: int, *, reuse: bool) -> None:
        super().__init__(rng, cpus=1)
        self.reuse = reuse
        self.cookies: dict[int, int] = {}
        self.used = 0
        self.index = 2
        self.boxes: list[Box] = []
        self.looks: list[Look] = []
        self.links: list[Heard] = []
        self.words: list[int] = []
        self.homes = [self.node(f"home{number}", bridge="br0") for number in range(homes)]
        self.stays = [self.node(f"stays{number}") for number in range(homes)]
        for home, stay in zip(self.homes, self.stays, strict=True):
            self._join(stay, home, "v0")

    @property
    def now(self) -> int:
        return self.clock[0]

    def node(self, name: str, *, bridge: str = "") -> Node:
        taken = {node.inum for node in self.nodes}
        first = FIRST_INUM if self.reuse else FIRST_INUM + self.used
        inum = next(each for each in range(first, first + 99) if each not in taken)
        made = Node(inum, name, bridge)
        self.nodes.append(made)
        self.used += 1
        self.cookies[id(made)] = self.used
        return made

    def come(self) -> None:
        """A container comes: first its namespace, then its link, or both between two looks."""
        home = self.rng.choice(self.homes)
        self._word()
        self.boxes.append(Box(self.node("box"), self.used, home))
        if self.rng.random() < 0.5:
            self.connect(self.boxes[-1])

    def connect(self, box: Box) -> None:
        if not box.node.ports:
            self._word()
            taken = {port.name for port in box.home.ports}
            names = ("v1", "v2", "v3", "v4", "v5") if self.reuse else (f"v{self.index}",)
            self._join(box.node, box.home, next(name for name in names if name not in taken))

    def go(self, box: Box, *, whole: bool) -> None:
        """Its link goes, and its namespace with it or later."""
        self._word()
        for port in box.node.ports:
            assert port.peer is not None
            box.home.ports.remove(port.peer)
        box.node.ports.clear()
        if whole:
            self.boxes.remove(box)
            self.nodes.remove(box.node)

    def look(self) -> None:
        """See what there is now. It takes a while, and what is heard meanwhile counts for the next look."""
        began = self.now
        found = tuple(
            replace(space, cookie=self.cookies[id(node)])
            for space, node in zip(self.inventory().namespaces, self.nodes, strict=True)
        )
        self.clock[0] += self.rng.randint(100, 5_000)
        self.looks.append(Look(Inventory(found, began, self.now), self.links, self.words))
        self.links, self.words = [], []

    def watched(self) -> Inventory:
        """All looks put together, as a watcher does it."""
        first, *others = self.looks
        known = first.inventory
        for look in others:
            heard = [self.homes[0].inum]
            quiet = None
            if look.words:
                quiet = self.rng.randint(known.taken_ns or 0, look.words[0] - 1)
            merged = merge(known, look.inventory, quiet=quiet, heard=heard)
            if look.words:
                merged = with_gap(merged, quiet, merged.done_ns)
            since = known.taken_ns
            known = with_unseen(merged, look.links, self._meaning, since)
            assert all_known(known, look.links, self._meaning)
        return known

    def _meaning(self, nsid: int) -> set[int]:
        return {self.homes[0].inum} if nsid == HERE else set()

    def _word(self) -> None:
        self.words.append(self.now)
        self.clock[0] += self.rng.randint(1, 2_000)

    def _join(self, box: Node, home: Node, dev: str) -> None:
        self.index += 1
        one, two = Port(box.inum, self.index, "eth0"), Port(home.inum, self.index + 500, dev)
        one.peer, two.peer = two, one
        box.ports.append(one)
        home.ports.append(two)
        if home is self.homes[0]:
            self.links.append(Heard(HERE, Link(two.ifindex, dev, "veth", link=one.ifindex, nsid=7)))

    def _at(self, inum: int) -> Node:
        return next(node for node in self.nodes if node.inum == inum)

    def traffic(self, count: int) -> None:
        """Pings between what is linked now."""
        for _ in range(count):
            home = self.rng.randrange(len(self.homes))
            there = [self.homes[home], self.stays[home]]
            there += [box.node for box in self.boxes if box.home is self.homes[home] and box.node.ports]
            self.ping(self.rng.choice(there), self.rng.choice(there), 0, answered=self.rng.random() < 0.9)
            self.rest(0, most=20_000)


def changing_world(rng: random.Random, steps: int = 25, *, reuse: bool = True) -> Changing:
    """A world with its history of changes, packets and looks. reuse: inode numbers and names are given out again."""
    world = Changing(rng, rng.randint(1, 2), reuse=reuse)
    world.look()
    for _ in range(steps):
        world.rest(0, most=ROUND)
        what = rng.random()
        if len(world.boxes) < 4 and (what < 0.3 or not world.boxes):
            world.come()
        elif what < 0.5:
            world.go(rng.choice(world.boxes), whole=rng.random() < 0.7)
        elif what < 0.65:
            world.connect(rng.choice(world.boxes))
        elif what < 0.85:
            world.look()
        world.traffic(rng.randint(0, 3))
    world.look()
    return world
