"""Events that name their packet, or are about the one being received: ICMP errors, TCP's resets, what bridges learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys.ends import asked, ends_of
from perfpath.journeys.nearest import after, before
from perfpath.journeys.scene import WORKING_NS, Joined

if TYPE_CHECKING:
    from perfpath.journeys.scene import Scene
    from perfpath.tables import Array

BY_ADDRESS = ("icmp:icmp_send", "tcp:tcp_send_reset", "tcp:tcp_bad_csum")
SOON_NS = 10_000_000
TRIED = 24  # hops before a retransmission's event that are compared with it
IP4, IP6 = 2, 10


def joined(scene: Scene) -> list[Joined]:
    """All of them that belong to a packet for certain."""
    return [_named(scene), _learned(scene), _reset(scene), _retransmitted(scene)]


def _named(scene: Scene) -> Joined:
    """Events with the skbaddr: the packet seen last there, or one that no device saw and that is freed next."""
    rows = scene.rows[scene.of(*BY_ADDRESS)]
    address, time = scene.observed["skbaddr"], scene.time
    hop = scene.hop_before(rows)
    freed = before(rows, address[rows], scene.frees, address[scene.frees])
    over = (freed >= 0) & (scene.frees[freed] > hop) if len(scene.frees) else np.zeros(len(rows), bool)
    anchor = np.where((hop >= 0) & ~over & (time[rows] - time[hop] < SOON_NS) & (address[rows] != 0), hop, -1)
    if len(scene.frees):
        found = after(rows, address[rows], scene.frees, address[scene.frees])
        soon = (found >= 0) & (time[scene.frees[found]] - time[rows] < SOON_NS) & (address[rows] != 0)
        anchor = np.where((anchor < 0) & soon, scene.frees[found], anchor)
    return Joined("answered", rows[anchor >= 0], anchor[anchor >= 0])


def _learned(scene: Scene) -> Joined:
    """A bridge learns from the packet that came in by one of its ports."""
    at = scene.of("bridge:br_fdb_update")
    rows, current = scene.rows[at], scene.current[at]
    dev = scene.observed["dev"]
    hop = scene.latest_hop(np.maximum(current, 0))
    good = (current >= 0) & (hop >= 0) & (dev[rows] == dev[current]) & (dev[hop] == dev[current])
    anchor = np.where(good, hop, -1)
    _, outer = ends_of(anchor, scene.observed, scene.packets)
    if outer is not None:
        told = np.array(
            [
                int(str(scene.said[code].get("addr", "")).replace(":", "") or "0", 16)
                for code in scene.code[at].tolist()
            ],
            np.int64,
        )
        good &= (outer["src_mac"] < 0) | (outer["src_mac"] == told)
    return Joined("learned", rows[good], anchor[good])


def _reset(scene: Scene) -> Joined:
    """A reset that was received: the packet being worked on, whose bytes show the socket's ends turned round."""
    at = scene.of("tcp:tcp_receive_reset")
    current = scene.current[at]
    anchor = np.where(current >= 0, scene.latest_hop(np.maximum(current, 0)), -1)
    ends, _ = ends_of(anchor, scene.observed, scene.packets)
    question = asked([_socket(scene, code) for code in scene.code[at].tolist()])
    good = (anchor >= 0) & ends.known & question.same("src", ends, "dst") & question.same("dst", ends, "src")
    return Joined("received", scene.rows[at[good]], anchor[good])


def _retransmitted(scene: Scene) -> Joined:
    """A retransmission: its event comes when the packet has been sent, and names the original, not the copy."""
    rows, anchors = [], []
    address = scene.observed["skbaddr"]
    for number in scene.of("tcp:tcp_retransmit_skb").tolist():
        row = int(scene.rows[number])
        last = int(np.searchsorted(scene.tx, row))
        hops = scene.tx[max(last - TRIED, 0) : last][::-1]
        near = (scene.time[row] - scene.time[hops] < WORKING_NS) & (scene.key[hops] == scene.key[row])
        hops = hops[near & (address[hops] != address[row])]
        ends, _ = ends_of(hops, scene.observed, scene.packets)
        question = asked([_socket(scene, int(scene.code[number]))]).take(np.zeros(len(hops), np.int64))
        fits = hops[ends.known & question.same("src", ends, "src") & question.same("dst", ends, "dst")]
        first = _first_of_its_packet(scene, fits)
        if first >= 0:
            rows.append(row)
            anchors.append(first)
    return Joined("sent", np.array(rows, np.int64), np.array(anchors, np.int64))


def _first_of_its_packet(scene: Scene, hops: Array) -> int:
    """The earliest of these hops (latest first) that are of the same packet as the latest; -1 where there are none."""
    if not len(hops):
        return -1
    address = scene.observed["skbaddr"]
    return int(hops[address[hops] == address[hops[0]]][-1])


def _socket(scene: Scene, code: int) -> dict[str, str]:
    """Both ends of a socket's event, by its family."""
    said = scene.said[code]
    six = "_v6" if said.get("family") == IP6 else ""
    return {"src": said.get(f"saddr{six}", ""), "dst": said.get(f"daddr{six}", "")}
