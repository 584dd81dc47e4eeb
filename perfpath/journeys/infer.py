"""Namespaces without an inventory: what the packets' own steps tell.

`tx vetha1b2` and then `rx eth0` of one packet is a veth pair, whose two ends this module speaks of by both names, since
every container has an `eth0`. What is received at one device and sent on by another stays in one namespace. So ends
gather in namespaces, `ns-1`, `ns-2` and on. A gathering that contradicts itself tells nothing: both ends of a pair in
it, two devices of one name, or two inode numbers. Neither do pairs whose names are alike. That two pairs of the same
two names are one is assumed, not known; therefore an inode number that the sender of one packet gave is taken for the
others' only where a name is as good as unique.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from perfpath.journeys.locate import INFERRED, Located, Spot
from perfpath.journeys.observe import HOP_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from perfpath.journeys.locate import Step

RANDOM = re.compile("[0-9a-f]{5,}$")
"""How a name ends that a program made up, so that there is hardly another one: vethfe3f18d, cali0a1b2c3d4e5."""

HANDED_UP = HOP_NAMES.index("netif_receive_skb_entry")

End = tuple[str, str]
"""A device and the other end of its pair, "" for a device that is no end of a pair."""


@dataclass(slots=True)
class Inference:
    """Learns from distinct paths, and tells where their hops are. Numbers once given stay."""

    _ways: dict[tuple[tuple[Step, int], ...], None] = field(default_factory=dict)
    _numbers: dict[End, int] = field(default_factory=dict)

    def placed(
        self, paths: Sequence[tuple[tuple[Step, int], ...]], located: Sequence[Located], order: Iterable[int]
    ) -> list[Located]:
        """The same solutions, with what the steps tell.

        A path is its steps, each with the kind of its tracepoint. order: the paths as they were first seen.
        """
        self._ways.update(dict.fromkeys(paths))
        groups = _Groups()
        for way in self._ways:
            groups.learn(way)
        groups.judge()
        told = list(located)
        for path in order:
            told[path] = self._told(paths[path], located[path], groups)
        return told

    def _told(self, way: tuple[tuple[Step, int], ...], located: Located, groups: _Groups) -> Located:
        spots = [
            spot if spot.netns or end is None else self._spot(end, groups)
            for spot, end in zip(located.spots, ends_of(way), strict=True)
        ]
        return Located(spots, located.contradicted)

    def _spot(self, end: End, groups: _Groups) -> Spot:
        if end not in groups.sound:
            return Spot()
        members = groups.members[groups.root(end)]
        netns = groups.netns.get(groups.root(end))
        if netns:  # where the names are nothing special it may be another namespace, and where not, it is no new one
            special = any(RANDOM.search(name) for each in members for name in each)
            return Spot(next(iter(netns)), None, INFERRED) if special else Spot()
        known = [self._numbers[each] for each in members if each in self._numbers]
        number = min(known) if known else len(set(self._numbers.values())) + 1
        self._numbers.update(dict.fromkeys(members, number))
        return Spot(0, f"ns-{number}", INFERRED)


def ends_of(way: tuple[tuple[Step, int], ...]) -> list[End | None]:
    """What each hop's device is known by; None where nothing can be told of it."""
    ends: list[End | None] = []
    for number, (step, _) in enumerate(way):
        if step.dev is None or step.dev == "lo":
            ends.append(None)
            continue
        before = way[number - 1][0] if number else None
        after = way[number + 1][0] if number + 1 < len(way) else None
        other: str | None = ""
        if step.tx and after is not None and not after.tx:
            other = after.dev if after.firm else None
        elif not step.tx and before is not None and before.tx:
            other = before.dev if step.firm else None
        ends.append(None if other is None or other == step.dev else (step.dev, other))
    return ends


class _Groups:
    """Ends that are in one namespace."""

    def __init__(self) -> None:
        self.above: dict[End, End] = {}
        self.members: dict[End, list[End]] = {}
        self.netns: dict[End, set[int]] = {}
        self.sound: set[End] = set()

    def root(self, end: End) -> End:
        """The one that stands for an end's group."""
        while self.above.setdefault(end, end) != end:
            end = self.above[end]
        return end

    def learn(self, way: tuple[tuple[Step, int], ...]) -> None:
        """Take what a path tells."""
        ends = ends_of(way)
        for number, (step, kind) in enumerate(way):
            end = ends[number]
            if end is None:
                continue
            root = self.root(end)
            if step.netns:
                self.netns.setdefault(root, set()).add(step.netns)
            before = ends[number - 1] if number else None
            forwarded = number > 0 and not way[number - 1][0].tx and step.firm and (step.tx or kind == HANDED_UP)
            if forwarded and before is not None and before != end:
                self._join(before, end)

    def _join(self, one: End, other: End) -> None:
        into, out = self.root(one), self.root(other)
        if into != out:
            self.above[out] = into
            self.netns.setdefault(into, set()).update(self.netns.pop(out, set()))

    def judge(self) -> None:
        """Find the groups that don't contradict themselves and have an end of a pair."""
        for end in self.above:
            self.members.setdefault(self.root(end), []).append(end)
        partners: dict[str, set[str]] = {}
        for dev, other in self.above:
            if other:
                partners.setdefault(dev, set()).add(other)
        for root, members in self.members.items():
            paired = [end for end in members if end[1]]
            if not paired or len(self.netns.get(root, ())) > 1:
                continue
            if len({dev for dev, _ in members}) < len(members):
                continue
            if any((other, dev) in members for dev, other in paired):
                continue
            if all(len(partners[dev]) == 1 or len(partners.get(other, ())) <= 1 for dev, other in paired):
                self.sound.update(members)
