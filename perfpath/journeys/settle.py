"""What call stacks and packets' bytes say of each step of an address: the same packet, or another one.

Both are stronger than the rules about time, length and topology, and settle what these leave open. A call stack that
says "the same" is stronger than bytes, which were joined to the hop by a packet socket's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys import rules

if TYPE_CHECKING:
    from perfpath.firstbytes import FirstBytes
    from perfpath.journeys.causality import Caused
    from perfpath.journeys.sightings import Sightings
    from perfpath.tables import Array, Table

CHUNK = 1 << 15
BY_STACK, BY_BYTES = 1, 2
NESTED = 4
UNCHANGED = (-14, 0, 14)
"""Changes of length where nothing but the Ethernet header came or went."""


@dataclass(slots=True)
class Verdicts:
    """Of each sighting and the one before it, of the same address. All are masks.

    same: it happened in the course of that one's event. other: its call stack says it can't be that one's packet.
    alike: the bytes are the same packet's. unlike: they can't be.
    """

    same: Array
    other: Array
    alike: Array
    unlike: Array

    @property
    def any(self) -> bool:
        """Whether anything is told."""
        return bool(self.same.any() or self.other.any() or self.alike.any() or self.unlike.any())


def verdicts(seen: Sightings, observed: Table, caused: Caused | None, packets: FirstBytes | None) -> Verdicts | None:
    """What is told; None where there are neither stacks nor bytes."""
    bytes_known = packets is not None and len(packets) > 0 and "packet" in observed
    if caused is None and not bytes_known:
        return None
    nothing = np.zeros(len(seen), dtype=bool)
    found = Verdicts(nothing, nothing, nothing, nothing)
    if caused is not None:
        found.same, found.other = _by_stacks(seen, observed, caused)
    if bytes_known:
        assert packets is not None  # noqa: S101 - bytes_known says so
        found.alike, found.unlike = _by_bytes(seen, observed, packets)
        found.unlike &= ~found.same
        found.alike &= ~found.other
    return found if found.any else None


def settled(told: Verdicts, plain: Array, cut: Array) -> Array:
    """int8 for each sighting: where the rules alone were wrong, BY_STACK or BY_BYTES says so; else 0.

    plain, cut: what cuts each from the one before without these verdicts, and with them.
    """
    wrong = (plain == rules.JOINED) != (cut == rules.JOINED)
    by_stack, by_bytes = told.same | told.other, told.alike | told.unlike
    return np.select([wrong & by_stack, wrong & by_bytes], [BY_STACK, BY_BYTES], 0).astype(np.int8)


def _by_stacks(seen: Sightings, observed: Table, caused: Caused) -> tuple[Array, Array]:
    address, mine = observed["skbaddr"], seen.rows
    last = np.where(seen.follows, rules.before(mine), -1)
    cause, own, on = caused.row[mine], caused.own[mine], caused.on[mine]
    for _ in range(NESTED):  # events of the same packet between, such as its net_dev_start_xmit
        nested = (cause > last) & (address[cause] == address[mine])
        nested &= ~_taken_up(seen, observed, cause)
        if not nested.any():
            break
        inner = np.maximum(cause, 0)
        own, on = np.where(nested, own & caused.own[inner], own), np.where(nested, on & caused.on[inner], on)
        cause = np.where(nested, caused.row[inner], cause)
    made = caused.made[mine] & seen.tx & seen.follows
    here = (cause == last) | ((cause > last) & (address[cause] == address[mine]))
    same = seen.follows & (cause >= 0) & here & on & ~seen.freed & ~made
    sent = observed["event"][cause] == observed.names["event"].find("net_dev_queue")
    other = seen.follows & (cause > last) & (address[cause] != address[mine]) & own & sent & ~seen.tx
    return same, made | other


def _taken_up(seen: Sightings, observed: Table, cause: Array) -> Array:
    """Whether these rows show the packet of the hop before taken from a backlog: it had its address all the while."""
    taken = observed["event"][cause] == observed.names["event"].find("netif_receive_skb")
    result: Array = taken & (rules.before(seen.kind) == rules.NETIF_RX)
    return result


def _by_bytes(seen: Sightings, observed: Table, packets: FirstBytes) -> tuple[Array, Array]:
    from perfpath.packets.compare import same
    from perfpath.packets.decode import decode
    from perfpath.packets.describe import headers_of
    from perfpath.packets.identity import payloads
    from perfpath.packets.levels import innermost
    from perfpath.packets.truth import FALSE, TRUE

    number = observed["packet"][seen.rows]
    steps = np.flatnonzero(seen.follows & (number >= 0) & (rules.before(number) >= 0))
    alike, unlike = np.zeros(len(seen), dtype=bool), np.zeros(len(seen), dtype=bool)
    for start in range(0, len(steps), CHUNK):
        here = steps[start : start + CHUNK]
        headers = [headers_of(packets.take(number[at])) for at in (here - 1, here)]
        left, right = (innermost(decode(each)) for each in headers)
        digests = [payloads(table, each.raw, each.captured) for table, each in zip((left, right), headers, strict=True)]
        answer = same(left, right, payload=(digests[0], digests[1]))
        alike[here] = answer == TRUE
        unlike[here] = (answer == FALSE) & _comparable(seen, here, left, right)
    return alike, unlike


def _comparable(seen: Sightings, here: Array, left: Table, right: Table) -> Array:
    """Whether the packet must be the same in all that counts, were it one: nothing was wrapped, encrypted or merged."""
    from perfpath.packets.changes import explained

    change = seen.length[here].astype(np.int64) - seen.length[here - 1]
    proto = left["proto"]
    inner = (proto == right["proto"]) & np.isin(proto, (1, 6, 58)) & (left["ethertype"] == right["ethertype"])
    merged = (seen.kind[here - 1] == rules.GRO) & (change != -14) & (change != 0) & (change != 14)
    read = (left["ethertype"] != 0) & (right["ethertype"] != 0)
    result: Array = (np.isin(change, UNCHANGED) | inner | ~explained(left, right)) & ~merged & read
    return result
