"""Which event happened in the course of which, as their call stacks tell: the strongest evidence there is.

An event is traced in a function; what that function calls has all its callers in the stack, with the same return
addresses, and the function itself above them:

    net_dev_queue br0   __dev_queue_xmit+a < ip_finish_output2+b < ...
    net_dev_queue p1    __dev_queue_xmit+a < br_dev_xmit+c < __dev_queue_xmit+d < ip_finish_output2+b < ...

Such calls end before the next of their kind begins on that CPU, so the latest event that fits is the one. Where the
softirq begins this says nothing any more: what is below it was interrupted, or works on another packet.
Each distinct stack is looked at once; events then only compare numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from perfpath.catalogue import entries
from perfpath.journeys.causes import LOCAL_OUTPUT, SOFTIRQ_BEGINS
from perfpath.journeys.observe import FREE, MERGE, READ
from perfpath.symbols import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfpath.journeys.sightings import Sightings
    from perfpath.symbols import Symbols
    from perfpath.tables import Array, Table

DRIVER = ("dev_hard_start_xmit", "xmit_one")
QUEUES = ("__qdisc_run", "sch_direct_xmit", "qdisc_restart", "net_tx_action")
WRAPPED = {"__netif_receive_skb_core": "__netif_receive_skb_one_core"}
"""Where an event is traced, and the caller that goes on with the same packet when that has returned."""
WRAPPING = ("encapsulated", "encrypted")
"""How the words for steps begin in which the host's own protocols send a packet that was there before."""
HANDED_ON = ("neigh_update", "__neigh_update", "wg_*", "ip_vs_*", "xfrm_*", "esp_*", "esp6_*")
"""What sends packets that were waiting, or makes others of them in place."""
ANSWERING = (
    "arp_*",
    "tcp_*",
    "icmp_*",
    "icmp6_*",
    "icmpv6_*",
    "__icmp_send",
    "ndisc_*",
    "udp*",
    "igmp_*",
    "mld_*",
    "sctp_*",
)
"""What makes packets of its own when it is given one."""
DEEPEST = 127
"""Frames that perf keeps (sysctl kernel.perf_event_max_stack); a longer stack lacks its outermost callers."""
NONE = -1


@dataclass(slots=True)
class Caused:
    """For each observed row, what its call stack says.

    row: that of the event in whose course it happened, -1 where none is known.
    reason: what the packet is to that event's, if it is another: a code of `Stacks.reasons`; -1 where the functions
    between don't say. alone: what it is as the functions since the last device say, whatever it was made of.
    made: this host's protocols made the packet here: nothing was seen of it before.
    own: the functions between can't have sent another packet that was waiting, so that this one is that event's
    packet or was made of it. on: they only hand it on, and can't have answered it either.
    """

    row: Array
    reason: Array
    alone: Array
    made: Array
    own: Array
    on: Array


@dataclass(frozen=True, slots=True)
class _Stack:
    """A distinct call stack.

    key: number of (function, callers) where its event was traced. around: keys it may have happened in, innermost
    first, each with the functions between. names: the functions since the last device.
    """

    key: int
    around: tuple[tuple[int, tuple[str, ...]], ...]
    made: bool
    names: tuple[str, ...]


_UNNAMED = _Stack(NONE, (), made=False, names=())


@dataclass(slots=True)
class Stacks:
    """The call stacks of a recording, compared with each other. stacks: may grow; symbols: None for no names."""

    symbols: Symbols | None = None
    stacks: Sequence[tuple[int, ...]] = ()
    reasons: list[str] = field(default_factory=list)
    _known: dict[int, _Stack] = field(default_factory=dict)
    _keys: dict[tuple[str, tuple[int, ...]], int] = field(default_factory=dict)
    _names: dict[int, str] = field(default_factory=dict)

    def caused(self, observed: Table, seen: Sightings) -> Caused | None:
        """What the stacks of sightings say; None where there are none, or none with names."""
        column = observed["stack"]
        if not len(self.stacks) or not len(seen) or (column.strides == (0,) and column[0] < 0):
            return None
        working = ~np.isin(observed["_kind"], (FREE, READ, MERGE)) & (observed["cpu"] >= 0)
        rows = np.flatnonzero((column >= 0) & working)
        used, of = np.unique(column[rows], return_inverse=True)
        known = [self._stack(number) for number in used.tolist()]
        if all(each.key == NONE for each in known):
            return None
        keys = {each.key for each in known}
        chosen = [next((each for each in one.around if each[0] in keys), (NONE, ())) for one in known]
        latest = _latest(
            observed, rows, np.array([each.key for each in known])[of], np.array([each[0] for each in chosen])[of]
        )
        where = np.full(len(observed), len(used), dtype=np.int64)  # the last stands for rows without a stack
        where[rows] = of
        cause = np.full(len(observed), NONE, dtype=np.int64)
        cause[rows] = latest
        return Caused(
            row=cause,
            reason=np.array([*(self._reason(between) for _, between in chosen), NONE])[where],
            alone=np.array([*(self._reason(each.names) for each in known), NONE])[where],
            made=np.array([*(each.made for each in known), False])[where],
            own=np.array([*(_goes_straight(between) for _, between in chosen), False])[where],
            on=np.array([*(_hands_on(between) for _, between in chosen), False])[where],
        )

    def _stack(self, number: int) -> _Stack:
        if not 0 <= number < len(self.stacks):
            return _UNNAMED
        if number not in self._known:
            self._known[number] = self._looked_at(self.stacks[number])
        return self._known[number]

    def _looked_at(self, frames: tuple[int, ...]) -> _Stack:
        names = [self._name(address) for address in frames]
        if not names or not names[0]:
            return _UNNAMED
        traced = 1 if WRAPPED.get(names[0], "-") in names[1:2] else 0
        around = []
        for at in range(1, len(names)):
            if names[at] in SOFTIRQ_BEGINS or not names[at] or len(frames) >= DEEPEST:
                break
            around.append((self._key(names[at], frames[at + 1 :]), tuple(names[1:at])))
        key = self._key(names[traced], frames[traced + 1 :])
        return _Stack(key, tuple(around), made=_made(names), names=tuple(_own(names)))

    def _key(self, function: str, callers: tuple[int, ...]) -> int:
        return self._keys.setdefault((function, callers), len(self._keys))

    def _name(self, address: int) -> str:
        if address not in self._names:
            self._names[address] = entries.function_of(text_of(hex(address), self.symbols))
        return self._names[address]

    def _reason(self, between: tuple[str, ...]) -> int:
        found = next((text for rule, text in entries.lineage().items() if _has(between, (rule,))), "")
        if not found:
            return NONE
        if found not in self.reasons:
            self.reasons.append(found)
        return self.reasons.index(found)


def _latest(observed: Table, rows: Array, key: Array, wanted: Array) -> Array:
    """For each of these rows the latest before it, on its CPU and by its task, that has the key it wants."""
    found = np.full(len(rows), NONE, dtype=np.int64)
    asking = np.flatnonzero(wanted >= 0)
    if not len(asking):
        return found
    width, cpu = int(max(key.max(), wanted.max())) + 1, observed["cpu"][rows].astype(np.int64)
    group, number = cpu * width + key, np.arange(len(rows))
    order = np.lexsort((number, group))
    place = group[order] * len(rows) + order
    asked = cpu[asking] * width + wanted[asking]
    at = np.searchsorted(place, asked * len(rows) + number[asking]) - 1
    before = order[np.maximum(at, 0)]
    fits = (at >= 0) & (group[before] == asked)
    fits &= observed["tid"][rows[before]] == observed["tid"][rows[asking]]
    found[asking] = np.where(fits, rows[before], NONE)
    return found


def _has(names: Sequence[str], wanted: Sequence[str]) -> bool:
    return any(name.startswith(each[:-1]) if each.endswith("*") else name == each for each in wanted for name in names)


def _goes_straight(between: Sequence[str]) -> bool:
    """Whether nothing between could have sent a packet that was there before, but wasn't the one worked on."""
    return not _has(between, QUEUES) and not _has(between, HANDED_ON)


def _hands_on(between: Sequence[str]) -> bool:
    """Whether what is sent below these functions is the packet they were given, if it has its address."""
    return _goes_straight(between) and not _has(between, ANSWERING)


def _own(names: Sequence[str]) -> list[str]:
    """The functions since the device before, or since the softirq began."""
    own: list[str] = []
    for name in names:
        if name in SOFTIRQ_BEGINS or name in DRIVER:
            break
        own.append(name)
    return own


def _made(names: Sequence[str]) -> bool:
    """Whether the host's own protocols were sending a packet of theirs for the first time."""
    own = _own(names)
    if not any(name in LOCAL_OUTPUT for name in own) or _has(own, HANDED_ON):
        return False
    words = (text for rule, text in entries.steps().items() if rule in own)
    return not any(text.startswith(WRAPPING) for text in words)
