"""Where links lead: which namespace is meant by another's number for it, and which ends belong together.

A link names its other end by an ifindex and by its own namespace's *number* (nsid) for the other namespace. Ifindexes
repeat in every namespace and each namespace counts its own numbers, so the only certain way to know what a number
means is to ask, inside the namespace that uses it, for the number of a namespace one has a descriptor of. To ask for
all pairs of 500 namespaces would be 250,000 questions; here only those are asked about that have the ifindex in
question (for a pair: whose link there points back), the likeliest first, which is about one question per number.
`ip netns list-id` lists only some of the numbers and is no help.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from perfpath.netns.inventory import Interface
from perfpath.netns.links import PAIRS, STACKED, Link

if TYPE_CHECKING:
    from collections.abc import Iterable

IPVLANS = frozenset({"ipvlan", "ipvtap"})  # never below one another (ipvlan_link_new)
MANY = 3  # more candidates than this are worth a question that only puts them in order


@dataclass(slots=True)
class Look:
    """What was read inside one namespace.

    cookie: SO_NETNS_COOKIE, never used twice, 0 where unknown. initial: whether it is the kernel's initial one, None
    where that wasn't asked or can't be told.
    """

    inum: int
    links: list[Link] = field(default_factory=list)
    addresses: dict[int, list[str]] = field(default_factory=dict)
    cookie: int = 0
    initial: bool | None = None


class Asker(Protocol):
    """What can be asked inside one namespace."""

    def nsid_of(self, inum: int) -> int | None:
        """This namespace's number for that one, None for none."""

    def link_of(self, nsid: int, ifindex: int) -> Link | None:
        """The link in the namespace of this number, None where the kernel doesn't tell."""


class Atlas:
    """All looks together: `resolve` finds out what the numbers mean, `interfaces` says where links lead."""

    def __init__(self, looks: Iterable[Look]) -> None:
        self.looks = {look.inum: look for look in looks}
        self.links = {(look.inum, link.ifindex): link for look in self.looks.values() for link in look.links}
        self.meaning: dict[tuple[int, int], int] = {}  # (inum, nsid) -> inum
        self._having: dict[int, list[int]] = defaultdict(list)
        self._alike: dict[tuple[int, str, str], list[int]] = defaultdict(list)
        self._pointing: dict[tuple[str, int, int], list[int]] = defaultdict(list)
        for (inum, ifindex), link in self.links.items():
            self._having[ifindex].append(inum)
            self._alike[ifindex, link.name, link.mac].append(inum)
            if link.kind in PAIRS and link.nsid is not None:
                self._pointing[link.kind, ifindex, link.link].append(inum)

    def numbers(self, inum: int) -> dict[int, list[Link]]:
        """The namespace's numbers for others, with the links that use each."""
        used: dict[int, list[Link]] = defaultdict(list)
        for link in self.looks[inum].links:
            if link.nsid is not None and link.nsid >= 0:
                used[link.nsid].append(link)
        return used

    def resolve(self, inum: int, ask: Asker) -> None:
        """Find out what the namespace's numbers mean. What no candidate answers to stays unknown."""
        for nsid, links in self.numbers(inum).items():
            for candidate in self._in_order(self._candidates(inum, links), nsid, links[0], ask):
                if ask.nsid_of(candidate) == nsid:
                    self.meaning[inum, nsid] = candidate
                    break

    def _candidates(self, inum: int, links: list[Link]) -> list[int]:
        """The namespaces that have all the links pointed to; a link with no device below fits any."""
        fitting: list[int] | None = None
        for link in links:
            if not link.link:
                continue
            having = self._having.get(link.link, [])
            if link.kind in PAIRS:
                having = self._pointing.get((link.kind, link.link, link.ifindex), [])
            fitting = having if fitting is None else [each for each in fitting if each in having]
        return [each for each in (self.looks if fitting is None else fitting) if each != inum]

    def _in_order(self, candidates: list[int], nsid: int, link: Link, ask: Asker) -> list[int]:
        """Those first whose link is the one that the kernel shows under this number."""
        if len(candidates) <= MANY or not link.link:
            return candidates
        shown = ask.link_of(nsid, link.link)
        alike = [] if shown is None else self._alike.get((shown.ifindex, shown.name, shown.mac), [])
        return [each for each in alike if each in candidates] + candidates

    def interfaces(self, inum: int) -> tuple[Interface, ...]:
        """The namespace's interfaces with where they lead."""
        look = self.looks[inum]
        return tuple(self._interface(look, link) for link in look.links)

    def deduce(self) -> None:
        """Find out what numbers mean without asking: only where one reading is left, for a saved list of links.

        A number stands for one namespace in all links that use it, and no two numbers of a namespace for the same one.
        Only pairs tell enough. Right if all namespaces are listed; pairs that look the same stay unknown.
        """
        unsettled = {
            (inum, nsid): self._candidates(inum, links)
            for inum in self.looks
            for nsid, links in self.numbers(inum).items()
            if any(link.kind in PAIRS for link in links)
        }
        settled = True
        while settled:
            settled = False
            for (inum, nsid), candidates in list(unsettled.items()):
                taken = {there for (here, _), there in self.meaning.items() if here == inum}
                fitting = [each for each in candidates if each not in taken]
                if len(fitting) == 1:
                    self.meaning[inum, nsid] = fitting[0]
                    del unsettled[inum, nsid]
                    settled = True

    def _interface(self, look: Look, link: Link) -> Interface:
        there = self._there(look.inum, link)
        paired = link.kind in PAIRS
        peer = link.link if paired and self._is_peer(look.inum, link, there) else 0
        lower = 0 if paired or (link.nsid is None and link.link == link.ifindex) else link.link
        details = link.details
        if link.nsid is not None and not paired and link.kind not in STACKED:
            details = {**details, "underlay_netns": there}
        return Interface(
            look.inum,
            link.ifindex,
            link.name,
            link.kind,
            link.mac,
            link.mtu,
            link.up,
            link.master,
            lower,
            there if lower else 0,
            peer,
            there if peer else 0,
            tuple(look.addresses.get(link.ifindex, ())),
            details,
        )

    def _there(self, inum: int, link: Link) -> int:
        """The namespace that the link points to, 0 for unknown.

        Of an ipvtap the kernel never says that it is another one (drivers/net/ipvlan/ipvtap.c has no get_link_net); its
        hardware address is the one of the device below.
        """
        if link.nsid is not None:
            return self.meaning.get((inum, link.nsid), 0)
        if link.kind not in STACKED or not link.link:
            return inum
        having = [each for each in self._having.get(link.link, []) if each == inum or link.kind == "ipvtap"]
        if link.kind == "ipvtap":
            below = {each: self.links[each, link.link] for each in having}
            having = [each for each, it in below.items() if it.mac == link.mac and it.kind not in IPVLANS]
        return having[0] if len(having) == 1 else 0

    def _is_peer(self, inum: int, link: Link, there: int) -> bool:
        """Whether the link pointed to is such an end too and points back here."""
        back = self.links.get((there, link.link))
        if (
            back is None
            or back.kind != link.kind
            or back.link != link.ifindex
            or (there, back.ifindex) == (inum, link.ifindex)
        ):
            return False
        return (there if back.nsid is None else self.meaning.get((there, back.nsid), 0)) == inum
