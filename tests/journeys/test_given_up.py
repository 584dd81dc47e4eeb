"""Where a packet was given up whose neighbour didn't answer: told by the ICMP error made of it, and by nothing less."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

import numpy as np
import pytest

from perfpath import firstbytes, schema
from perfpath.diagnostics import Diagnostics
from perfpath.journeys.tracker import Options, follow
from perfpath.netns.inventory import Interface, Inventory, Namespace
from perfpath.packets.headers import packed
from perfpath.tables import Names, Table

WEB, SOFTIRQ = 4026532258, 0x10
TOPOLOGY = Inventory((Namespace(WEB, "web", interfaces=(Interface(WEB, 1, "lo"), Interface(WEB, 2, "eth0"))),))
ADDRESSES = bytes([198, 18, 0, 1]) * 2


@dataclass
class Event:
    """At `time` microseconds. kind: the type of the ICMP message that a hop shows, -1 where its bytes are not known."""

    time: float
    event: str
    address: int
    dev: str | None = None
    kind: int = -1
    cpu: int = 0


def icmp(kind: int) -> bytes:
    quoted = struct.pack("!BBHHHBBH", 0x45, 0, 84, 1, 0, 64, 1, 0) + ADDRESSES + bytes([8, 0, 0, 0, 0, 9, 0, 1])
    head = struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(quoted), 1, 0, 64, 1, 0) + ADDRESSES
    return bytes(12) + b"\x08\0" + head + bytes([kind, 1, 0, 0, 0, 0, 0, 0]) + quoted


def given_up(*events: Event) -> list[str | None]:
    """The namespaces where packets were dropped that no device saw."""
    names = {name: Names() for name in ("event", "dev", "comm", "reason", "location")}
    shown = [each.kind for each in events if each.kind >= 0]
    headers, size = packed([icmp(kind) for kind in shown]), len(shown)
    bytes_of = firstbytes.FirstBytes()
    bytes_of.add(
        firstbytes.packed(
            headers.raw,
            headers.captured,
            layer=np.full(size, firstbytes.ETHERNET),
            ethertype=np.zeros(size, np.uint16),
            network=np.full(size, 14),
            length=np.array([len(icmp(kind)) for kind in shown]),
        )
    )
    number = np.cumsum([each.kind >= 0 for each in events]) - 1
    drops = [each.dev is None for each in events]
    table = Table.filled(
        schema.EVENTS,
        len(events),
        names,
        time_ns=np.array([each.time * 1000 for each in events], np.int64),
        cpu=np.array([each.cpu for each in events], np.int16),
        event=np.array([names["event"].code(each.event) for each in events], np.int32),
        dev=np.array([-1 if each.dev is None else names["dev"].code(each.dev) for each in events], np.int32),
        skbaddr=np.array([each.address for each in events], np.uint64),
        len=np.array([0 if drop else 126 for drop in drops], np.uint32),
        protocol=np.array([0x0800 if drop else 0 for drop in drops], np.uint16),
        flags=np.full(len(events), SOFTIRQ, np.int16),
        reason=np.array([names["reason"].code("NEIGH_FAILED") if drop else -1 for drop in drops], np.int32),
        location=np.array(
            [names["location"].code("neigh_invalidate+0x7e") if drop else -1 for drop in drops], np.int32
        ),
    ).extended(packet=np.where([each.kind >= 0 for each in events], number, -1))
    found = follow(table, TOPOLOGY, Diagnostics(), Options(packets=bytes_of)).journeys
    return [
        where for where, hops in zip(found.texts("end_netns_name"), found["hops"].tolist(), strict=True) if not hops
    ]


ERROR = (Event(0, "net_dev_queue", 1, "lo", 3), Event(6, "netif_rx", 1, "lo"))
DROP = Event(9, "skb:kfree_skb", 2)


def test_the_error_about_it_tells_where() -> None:
    assert given_up(*ERROR, DROP) == ["web"]


@pytest.mark.parametrize(
    "events",
    [
        (DROP,),
        (Event(0, "net_dev_queue", 1, "lo", 8), Event(6, "netif_rx", 1, "lo"), DROP),  # a ping is no error
        (Event(0, "net_dev_queue", 1, "lo"), Event(6, "netif_rx", 1, "lo"), DROP),  # nobody knows its bytes
        (*ERROR, replace(DROP, time=900)),
        (*ERROR, replace(DROP, cpu=1)),
        (*ERROR, Event(8, "net_dev_queue", 3, "eth0"), DROP),  # something else was sent since
    ],
)
def test_nothing_less_does(events: tuple[Event, ...]) -> None:
    assert given_up(*events) == [None]


def test_an_error_tells_of_one_packet_only() -> None:
    """The second may be of any namespace: errors are rate-limited."""
    assert given_up(*ERROR, DROP, replace(DROP, time=12, address=3)) == ["web", None]
