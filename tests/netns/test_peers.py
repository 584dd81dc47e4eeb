"""What namespaces' numbers for each other mean: asked with few questions, or deduced, and never wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from perfpath.netns.links import Link
from perfpath.netns.peers import Atlas, Look


@dataclass
class Kernel:
    """Namespaces wired with veth pairs, that knows the truth and counts what it is asked."""

    links: dict[int, list[Link]] = field(default_factory=dict)
    numbers: dict[int, dict[int, int]] = field(default_factory=dict)  # namespace -> other -> its number for it
    ends: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    questions: int = 0
    here: int = 0

    def pair(self, a: int, b: int, index_a: int = 0, index_b: int = 0) -> None:
        one = Link(index_a or self._free(a), "eth0", "veth", mac=f"{len(self.ends):x}")
        self.links.setdefault(a, []).append(one)
        two = Link(index_b or self._free(b), "eth0", "veth", mac=f"{len(self.ends) + 1:x}")
        self.links.setdefault(b, []).append(two)
        one.link, two.link = two.ifindex, one.ifindex
        if a != b:
            one.nsid, two.nsid = self._number(a, b), self._number(b, a)
        self.ends[a, one.ifindex], self.ends[b, two.ifindex] = (b, two.ifindex), (a, one.ifindex)

    def _free(self, inum: int) -> int:
        return max((link.ifindex for link in self.links.get(inum, [])), default=1) + 1

    def _number(self, inum: int, other: int) -> int:
        known = self.numbers.setdefault(inum, {})
        return known.setdefault(other, len(known))

    def nsid_of(self, inum: int) -> int | None:
        self.questions += 1
        return self.numbers.get(self.here, {}).get(inum)

    def link_of(self, nsid: int, ifindex: int) -> Link | None:
        self.questions += 1
        other = next(inum for inum, number in self.numbers[self.here].items() if number == nsid)
        return next((link for link in self.links[other] if link.ifindex == ifindex), None)

    def atlas(self, hidden: set[int] | None = None) -> Atlas:
        return Atlas(Look(inum, links) for inum, links in self.links.items() if inum not in (hidden or set()))

    def asked(self, hidden: set[int] | None = None) -> Atlas:
        atlas = self.atlas(hidden)
        for self.here in atlas.looks:
            atlas.resolve(self.here, self)
        return atlas


def ends_found(atlas: Atlas) -> dict[tuple[int, int], tuple[int, int]]:
    found = {}
    for inum in atlas.looks:
        for interface in atlas.interfaces(inum):
            if interface.peer:
                found[inum, interface.ifindex] = (interface.peer_netns, interface.peer)
    return found


PAIRS = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=14)


@given(PAIRS)
def test_by_asking_every_end_is_found(pairs: list[tuple[int, int]]) -> None:
    kernel = Kernel()
    for a, b in pairs:
        kernel.pair(a, b)
    assert ends_found(kernel.asked()) == kernel.ends


@given(PAIRS, st.sets(st.integers(1, 6), max_size=4))
def test_with_hidden_namespaces_no_end_is_wrong(pairs: list[tuple[int, int]], hidden: set[int]) -> None:
    kernel = Kernel()
    for a, b in pairs:
        kernel.pair(a, b)
    seen = {end: other for end, other in kernel.ends.items() if not {end[0], other[0]} & hidden}
    assert ends_found(kernel.asked(hidden)) == seen


@given(PAIRS)
def test_what_is_deduced_is_right(pairs: list[tuple[int, int]]) -> None:
    kernel = Kernel()
    for a, b in pairs:
        kernel.pair(a, b)
    atlas = kernel.atlas()
    atlas.deduce()
    assert ends_found(atlas).items() <= kernel.ends.items()


def test_pairs_that_look_the_same_are_not_deduced() -> None:
    kernel = Kernel()
    kernel.pair(1, 2, 2, 2)
    kernel.pair(3, 4, 2, 2)
    atlas = kernel.atlas()
    atlas.deduce()
    assert ends_found(atlas) == {}


def test_questions_grow_with_the_links_not_with_their_square() -> None:
    star, twins = Kernel(), Kernel()
    for container in range(2, 302):
        star.pair(1, container, index_b=2)
    for one, two in pairwise(range(1, 601)):
        if one % 2:
            twins.pair(one, two, 2, 2)  # 300 pairs, all alike
    for kernel in (star, twins):
        assert ends_found(kernel.asked()) == kernel.ends
        assert kernel.questions <= 2 * len(kernel.ends)


def test_an_end_that_does_not_point_back_is_none() -> None:
    looks = [Look(1, [Link(2, "a", "veth", link=3)]), Look(2, [Link(2, "b", "veth", link=2)])]
    assert ends_found(Atlas(looks)) == {}
    loop = [Look(1, [Link(2, "a", "veth", link=2)])]
    assert ends_found(Atlas(loop)) == {}


def test_below_an_ipvtap_is_what_has_its_hardware_address() -> None:
    """As Linux 6.12 tells it: the number of the device below, and nothing of the namespace that one is in."""
    below, tap = Link(2, "eth0", "veth", mac="be:5e"), Link(3, "eth0", "ipvtap", mac="be:5e", link=2)
    sibling = Link(2, "eth0", "ipvtap", mac="be:5e", link=2, nsid=0)

    def lower_netns(*looks: Look) -> int:
        return Atlas(looks).interfaces(looks[0].inum)[0].lower_netns

    box, host = Look(1, [tap, Link(2, "eth1", "veth", mac="00:01")]), Look(7, [below])
    assert lower_netns(box, host, Look(8, [sibling]), Look(9, [Link(2, "eth0", mac="00:02")])) == 7
    assert lower_netns(box, host, Look(8, [below])) == 0
    assert lower_netns(box) == 0
    assert lower_netns(Look(1, [tap, below])) == 1
    macvlan = Link(3, "eth0", "macvlan", mac="be:5f", link=2)
    assert lower_netns(Look(1, [macvlan]), host) == 0
    assert lower_netns(Look(1, [macvlan, below]), host) == 1
