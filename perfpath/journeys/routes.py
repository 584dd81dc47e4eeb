"""Route lookups and the packets they were made for.

A lookup with the interface a packet came in by is about the packet being received. One for local output has the
loopback's index there (net/ipv4/route.c, net/ipv6/route.c: LOOPBACK_IFINDEX) and comes before the packet's first hop.
With the addresses turned round it is the reverse path check of what was received (net/ipv4/fib_frontend.c). One
without any interface only asks what kind an address is, and is about no packet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys.ends import Ends, asked, ends_of
from perfpath.journeys.nearest import after
from perfpath.journeys.scene import WORKING_NS, Joined
from perfpath.tables import distinct

if TYPE_CHECKING:
    from perfpath.journeys.scene import Scene
    from perfpath.tables import Array

LOOPBACK = 1
EVENTS = ("fib:fib_table_lookup", "fib6:fib6_table_lookup")
SOON_NS = 10_000_000
"""A packet whose bytes show the addresses asked for is the one, so soon after: it may have waited for a neighbour."""
TRIED = 24  # hops after a lookup that are compared with it
ARP_BYTES = 42
"""A frame so long may be the question for the neighbour, which goes out before the packet; where no bytes tell."""
LISTED = 8  # packets received one after the other that a lookup may be about


def joined(scene: Scene) -> list[Joined]:
    """All lookups that belong to a packet for certain."""
    at = scene.of(*EVENTS)
    if not len(at):
        return []
    iif = scene.words(at, "iif")
    question = asked([scene.said[code] for code in scene.code[at].tolist()])
    found = [_received(scene, at[iif > LOOPBACK], question.take(np.flatnonzero(iif > LOOPBACK)))]
    local = np.flatnonzero(iif == LOOPBACK)
    return [*found, *_sent(scene, at[local], question.take(local))]


def _received(scene: Scene, at: Array, question: Ends) -> Joined:
    """Lookups about packets being received."""
    anchor = _anchors(scene, scene.current[at])
    ends, _ = ends_of(anchor, scene.observed, scene.packets)
    agree = _agree(question, ends)
    good = (anchor >= 0) & scene.alone[at] & (agree | ~ends.known)
    for number in np.flatnonzero(~good & (scene.current[at] >= 0)).tolist():
        anchor[number] = _of_a_list(scene, int(scene.current[at[number]]), question.take(np.array([number])))
        good[number] = anchor[number] >= 0
    return Joined("input", scene.rows[at[good]], anchor[good])


def _anchors(scene: Scene, received: Array) -> Array:
    """The hop that shows where a packet was received, for the rows where the work on it began; -1 where none does."""
    hop = scene.latest_hop(np.maximum(received, 0))
    dev = scene.observed["dev"]
    good = (received >= 0) & (hop >= 0) & (dev[hop] == dev[received])
    return np.where(good, hop, -1)


def _agree(question: Ends, ends: Ends) -> Array:
    result: Array = ends.known & question.same("src", ends, "src") & question.same("dst", ends, "dst")
    return result


def _of_a_list(scene: Scene, current: int, question: Ends) -> int:
    """The hop of the only one of several packets received in a row whose bytes agree; -1 for none, or several."""
    last = int(np.searchsorted(scene.received, current, side="right"))
    recent = scene.received[max(last - LISTED, 0) : last]
    near = (scene.key[recent] == scene.key[current]) & (scene.time[current] - scene.time[recent] < WORKING_NS)
    anchors = distinct(_anchors(scene, recent[near]))
    anchors = anchors[anchors >= 0]
    ends, _ = ends_of(anchors, scene.observed, scene.packets)
    fits = anchors[_agree(question.take(np.zeros(len(anchors), np.int64)), ends)]
    return int(fits[0]) if len(fits) == 1 else -1


def _sent(scene: Scene, at: Array, question: Ends) -> list[Joined]:
    """Lookups for what this host sends, and reverse path checks of what it receives."""
    rows = scene.rows[at]
    next_tx = after(rows, scene.key[rows], scene.tx, scene.key[scene.tx])
    hop = np.where(next_tx >= 0, scene.tx[next_tx], -1) if len(scene.tx) else next_tx
    ends, _ = ends_of(hop, scene.observed, scene.packets)
    fits = _fits(scene, at, question, hop, ends)
    span = scene.time[hop] - scene.time[rows]
    plain = (
        ~ends.known
        & (scene.observed["len"][hop] != ARP_BYTES)
        & _of_ipv4(scene, at)
        & (span < WORKING_NS)
        & (scene.words(at, "err") == 0)
        & ~_between(scene, rows, hop)
    )
    good = (
        (hop >= 0)
        & _fresh(scene, at, hop)
        & np.where(ends.known, fits & (span < SOON_NS), plain & _device(scene, at, hop))
    )
    back = ~good & _turned(scene, at, question)
    for number in np.flatnonzero(~good & ~back & (scene.words(at, "err") == 0)).tolist():
        hop[number] = _later(scene, at[number : number + 1], question.take(np.array([number])))
        good[number] = hop[number] >= 0
    reverse = _anchors(scene, scene.current[at[back]])
    return [
        Joined("output", rows[good], hop[good]),
        Joined("reverse path check", rows[back][reverse >= 0], reverse[reverse >= 0]),
    ]


def _of_ipv4(scene: Scene, at: Array) -> Array:
    result: Array = np.isin(at, scene.of(EVENTS[0]))
    return result


def _fits(scene: Scene, at: Array, question: Ends, hop: Array, ends: Ends) -> Array:
    """Whether the bytes at a hop are what a lookup was about."""
    proto = scene.words(at, "proto")
    result: Array = ends.known & question.same("dst", ends, "dst")
    result &= question.any("src") | question.same("src", ends, "src")
    result &= (proto == 0) | (proto == ends.proto)
    result &= (scene.words(at, "err") != 0) | _device(scene, at, hop)
    return result


def _device(scene: Scene, at: Array, hop: Array) -> Array:
    """Whether the device that a lookup chose is the hop's."""
    names = scene.observed.names["dev"]
    distinct, inverse = np.unique(scene.code[at], return_inverse=True)
    chosen = np.array([names.find(str(scene.said[code].get("name", ""))) for code in distinct.tolist()], np.int64)
    result: Array = (chosen[inverse.reshape(-1)] == scene.observed["dev"][hop]) & (hop >= 0)
    return result


def _fresh(scene: Scene, at: Array, hop: Array) -> Array:
    """Whether a hop is not one of the packet being received: that one was looked up with its interface."""
    address, current = scene.observed["skbaddr"], scene.current[at]
    result: Array = (current < 0) | (address[hop] != address[current])
    return result


def _between(scene: Scene, rows: Array, hop: Array) -> Array:
    """Whether work on another packet began between a lookup and a hop."""
    if not len(scene.received):
        return np.zeros(len(rows), bool)
    begun = after(rows, scene.key[rows], scene.received, scene.key[scene.received])
    result: Array = (begun >= 0) & (scene.received[begun] < hop)
    return result


def _turned(scene: Scene, at: Array, question: Ends) -> Array:
    """Whether the packet being received has these addresses the other way round, and no protocol was asked about."""
    anchor = _anchors(scene, scene.current[at])
    ends, _ = ends_of(anchor, scene.observed, scene.packets)
    turned: Array = ends.known & question.same("src", ends, "dst") & question.same("dst", ends, "src")
    turned &= (scene.words(at, "proto") == 0) & ~scene.process[scene.rows[at]]
    return turned


def _later(scene: Scene, at: Array, question: Ends) -> int:
    """The first hop after a lookup, of those that begin a packet's way, whose bytes are what it was about; else -1."""
    row = int(scene.rows[at[0]])
    first = int(np.searchsorted(scene.tx, row))
    hops = scene.tx[first : first + TRIED]
    hops = hops[scene.time[hops] - scene.time[row] < SOON_NS]
    hops = hops[scene.hop_before(hops) < row]
    if not len(hops):
        return -1
    same = np.zeros(len(hops), np.int64)
    ends, _ = ends_of(hops, scene.observed, scene.packets)
    fits = hops[_fits(scene, at[same], question.take(same), hops, ends)]
    return int(fits[0]) if len(fits) else -1
