"""Who was asked by ARP or neighbour discovery, what became of it, and which packets that was about.

- neigh_event_send_done comes when a packet needs its neighbour (net/core/neighbour.c). With 0 it may go, and a device
  is handed it next; with 1 it waits, and the question has just been sent: the hop before shows it, by its bytes.
- neigh_update is what the packet being received has told; until neigh_update_done the packets that waited are sent.
- neigh_timer_handler with the state "failed" comes after the packets that had waited were freed.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys.ends import ends_of, halves
from perfpath.journeys.scene import Joined
from perfpath.journeys.verdicts import key_of

if TYPE_CHECKING:
    from perfpath.journeys.scene import Scene
    from perfpath.netns.inventory import Inventory
    from perfpath.tables import Array

SENT, TIMER, UPDATE, DONE = (
    "neigh:neigh_event_send_done",
    "neigh:neigh_timer_handler",
    "neigh:neigh_update",
    "neigh:neigh_update_done",
)
AT_ONCE_NS = 50_000
SOON_NS = 20_000_000
TRIED = 24
FAILED = "NEIGH_FAILED"


def joined(scene: Scene) -> list[Joined]:
    """All of them that belong to a packet for certain."""
    found: dict[str, list[tuple[int, int]]] = {}
    for number in scene.of(SENT).tolist():
        for role, hop in _needed(scene, number):
            found.setdefault(role, []).append((int(scene.rows[number]), hop))
    for number in scene.of(UPDATE).tolist():
        for role, hop in _learned(scene, number):
            found.setdefault(role, []).append((int(scene.rows[number]), hop))
    for number in scene.of(TIMER).tolist():
        for role, hop in _timed(scene, number):
            found.setdefault(role, []).append((int(scene.rows[number]), hop))
    return [
        Joined(role, np.array([row for row, _ in pairs]), np.array([hop for _, hop in pairs]))
        for role, pairs in found.items()
    ]


def _needed(scene: Scene, number: int) -> list[tuple[str, int]]:
    row = int(scene.rows[number])
    if int(scene.said[scene.code[number]].get("err", 0)):
        return _asking(scene, number)
    following = scene.tx[np.searchsorted(scene.tx, row) :][:1]
    good = [
        int(hop)
        for hop in following.tolist()
        if scene.key[hop] == scene.key[row]
        and scene.time[hop] - scene.time[row] < AT_ONCE_NS
        and scene.observed["dev"][hop] == scene.observed["dev"][row]
    ]
    return [("used", hop) for hop in good]


def _asking(scene: Scene, number: int) -> list[tuple[str, int]]:
    """The question that was just sent: the latest hop on that CPU and device whose bytes ask for this address."""
    row = int(scene.rows[number])
    last = int(np.searchsorted(scene.tx, row))
    hops = scene.tx[max(last - TRIED, 0) : last]
    near = (scene.time[row] - scene.time[hops] < SOON_NS) & (scene.cpu[hops] == scene.cpu[row])
    hops = hops[near & (scene.observed["dev"][hops] == scene.observed["dev"][row])]
    asks = hops[_asks_for(scene, hops, key_of(scene.said[scene.code[number]]))]
    return [("asked", int(asks[-1]))] if len(asks) else []


def _asks_for(scene: Scene, hops: Array, address: str | None) -> Array:
    """Which hops' bytes are ARP or neighbour discovery questions for an address."""
    _, outer = ends_of(hops, scene.observed, scene.packets)
    if outer is None:
        return np.zeros(len(hops), bool)
    high, low = halves(address)
    arp = (outer["arp_op"] == 1) & (outer["dst_hi"] == high) & (outer["dst_lo"] == low)
    discovery = (outer["icmp_type"] == 135) & (outer["nd_hi"] == high) & (outer["nd_lo"] == low)
    result: Array = arp | discovery
    return result


def _learned(scene: Scene, number: int) -> list[tuple[str, int]]:
    """The packet that told, and those that had waited for it."""
    row, current = int(scene.rows[number]), int(scene.current[number])
    found: list[tuple[str, int]] = []
    dev = scene.observed["dev"]
    if current >= 0 and dev[current] == dev[row]:
        hop = int(scene.latest_hop(np.array([current]))[0])
        if hop >= 0 and dev[hop] == dev[row] and _tells(scene, hop, number):
            found.append(("answered", hop))
    end = _done(scene, number)
    if end >= 0 and scene.said[scene.code[number]].get("new_state") == "reachable":
        between = scene.tx[np.searchsorted(scene.tx, row) : np.searchsorted(scene.tx, end)]
        mine = between[(scene.key[between] == scene.key[row]) & (dev[between] == dev[row])]
        mine = mine[scene.observed["skbaddr"][mine] != scene.observed["skbaddr"][current]] if current >= 0 else mine
        found += [("waited for", int(hop)) for hop in mine.tolist()]
    return found


def _tells(scene: Scene, hop: int, number: int) -> bool:
    """Whether the bytes at a hop come from that neighbour; without bytes, whether no other packet can be meant."""
    ends, _ = ends_of(np.array([hop]), scene.observed, scene.packets)
    if not ends.known[0]:
        return bool(scene.alone[number])
    high, low = halves(key_of(scene.said[scene.code[number]]))
    return bool(ends.columns["src_hi"][0] == high and ends.columns["src_lo"][0] == low)


def _done(scene: Scene, number: int) -> int:
    """The row of the neigh_update_done that ends an update, -1 where it isn't there yet."""
    row = int(scene.rows[number])
    event = scene.observed.names["event"].find(DONE)
    later = scene.rows[number + 1 :]
    good = later[(scene.observed["event"][later] == event) & (scene.key[later] == scene.key[row])]
    return int(good[0]) if event >= 0 and len(good) else -1


def _timed(scene: Scene, number: int) -> list[tuple[str, int]]:
    said = scene.said[scene.code[number]]
    if said.get("nud_state") != "failed":
        return _asking(scene, number)
    return [("failed", row) for row in _given_up(scene, int(scene.rows[number]))]


def _given_up(scene: Scene, row: int) -> list[int]:
    """The frees of packets that waited for a neighbour whose timer gave up: just before its event, on its CPU."""
    if "reason" not in scene.observed:
        return []
    reason = scene.observed.names["reason"].find(FAILED)
    last = int(np.searchsorted(scene.frees, row))
    frees = scene.frees[max(last - TRIED * 8, 0) : last]
    near = (scene.time[row] - scene.time[frees] < SOON_NS) & (scene.key[frees] == scene.key[row])
    frees = frees[near & (scene.observed["reason"][frees] == reason)] if reason >= 0 else frees[:0]
    timers = scene.rows[scene.of(TIMER)]
    earlier = timers[(timers < row) & (scene.key[timers] == scene.key[row])]
    since = int(earlier.max()) if len(earlier) else -1
    found: list[int] = frees[frees > since].tolist()
    return found


@dataclass(slots=True)
class Places:
    """In which namespaces neighbours were asked for: (device, address) -> inodes; and where they were given up on."""

    asked: dict[tuple[str, str], set[int]] = field(default_factory=dict)

    def learn(self, scene: Scene) -> None:
        """Take what these rows tell: who needs a neighbour in its own context, and where questions were seen."""
        observed = scene.observed
        for number in scene.of(SENT, TIMER).tolist():
            row = int(scene.rows[number])
            key = (observed.names["dev"][observed["dev"][row]] or "", key_of(scene.said[scene.code[number]]) or "")
            known = self.asked.setdefault(key, set())
            if scene.process[row] and observed["task_netns"][row]:
                known.add(int(observed["task_netns"][row]))
            known |= {int(observed["netns"][hop]) for _, hop in _asking(scene, number) if observed["netns"][hop]}

    def of(self, dev: str, address: str, inventory: Inventory | None) -> int:
        """The only namespace where such a neighbour can have been asked for; 0 where several can, or none."""
        asked = self.asked.get((dev, address), set())
        if inventory is None:
            return 0
        there = near(dev, address, inventory)
        found = there & asked or (asked or there)
        return found.pop() if len(found) == 1 else 0


def near(dev: str, address: str, inventory: Inventory) -> set[int]:
    """The namespaces (inodes) where a device of that name stands in the network of an address."""
    devices = inventory.by_name.get(dev, ())
    return {each.netns for each in devices if any(_within(address, own) for own in each.addresses)}


def _within(address: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_interface(network).network
    except ValueError:
        return False
