"""When the next sighting of an skb address is another packet: addresses are reused within microseconds.

The lessons have rules of their own here, since `perfpath.journeys` cuts with the help of the four events which the
lesson is about to judge. They need nothing but device, direction, length and time, and suit the small recordings of
a lesson, where nothing is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

SILENCE_NS = 100_000_000
"""A packet unseen for so long is not the one seen now: lessons ping five times a second at most."""

LINK_HEADERS = 28
"""The most a link-layer header takes: Ethernet with two VLAN tags is 22, GRE with a key 24 and padding."""
ENCAPSULATION = 128
"""The most that tunnels add in one step: IPv6, UDP, VXLAN and Ethernet are 70."""

_GROWTH = {
    ("tx", "tx"): (-LINK_HEADERS, ENCAPSULATION),  # a bridge's port, a tunnel's lower device
    ("tx", "rx"): (-LINK_HEADERS, 0),  # across a veth pair: the receiver takes the link-layer header off
    ("rx", "tx"): (0, LINK_HEADERS),  # forwarded: a link-layer header is put on
    ("rx", "rx"): (-ENCAPSULATION, LINK_HEADERS),  # a bridge that passes up, a tunnel unpacked
}
"""How much longer, in bytes, the same packet can be at the next place."""


@dataclass(frozen=True, slots=True)
class Step:
    """A sighting, as far as cutting needs it. length: 0 where the event doesn't tell."""

    dev: str
    direction: str
    length: int
    time_ns: int


def cut(first: tuple[str, str], last: Step, step: Step) -> str:
    """Why `step` can't be the packet that began at `first` and was last seen at `last`; "" where it can."""
    if step.time_ns - last.time_ns > SILENCE_NS:
        return "silence"
    here = (step.dev, step.direction)
    if here == (last.dev, last.direction):
        return ""
    if here == first and step.direction == "tx":
        return "begins again"
    if last.direction == "rx" and here == (last.dev, "tx"):
        return "turns around"
    if last.length and step.length:
        least, most = _GROWTH[last.direction, step.direction]
        if not least <= step.length - last.length <= most:
            return "another length"
    return ""
