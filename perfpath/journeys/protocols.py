"""The network protocol at each hop, as events tell it: two hops of different ones are two packets', bytes or none.

`netif_receive_skb_entry` and `napi_gro_receive_entry` say it, and so do other events of the same packet at the same
device (`net_dev_start_xmit`, `netif_rx_entry`). A hop that says nothing has that of the hop it is certainly one with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys import rules
from perfpath.journeys.observe import COMPANION
from perfpath.packets.ethernet import ARP, IPV4, IPV6

if TYPE_CHECKING:
    from perfpath.journeys.sightings import Sightings
    from perfpath.tables import Array, Table

LEAST_TUNNEL = 20
"""Bytes: a tunnel, or a translator of IPv4 and IPv6, changes the length by a header of IPv4 at least."""
_AFTER = ("net_dev_start_xmit",)
_BEFORE = ("netif_rx_entry", "netif_receive_skb_entry", "napi_gro_receive_entry", "napi_gro_frags_entry")


def another(seen: Sightings, observed: Table, steps: rules.Steps) -> Array:
    """Hops of another protocol than the one before, where no tunnel or translator can have made the change."""
    protocol = _told(seen, observed)
    if not protocol.any():
        return np.zeros(len(seen), dtype=bool)
    protocol = _spread(protocol, _one(seen, steps))
    change = np.abs(rules.since_before(seen.length))
    left = rules.before(protocol)
    known = np.isin(protocol, (IPV4, IPV6, ARP)) & np.isin(left, (IPV4, IPV6, ARP))
    result: Array = seen.follows & known & (protocol != left) & (change < LEAST_TUNNEL)
    return result


def _told(seen: Sightings, observed: Table) -> Array:
    """The ethertype at each hop as its own events have it, 0 where they don't say."""
    protocol = observed["protocol"]
    found: Array = protocol[seen.rows]
    others = np.flatnonzero((observed["_kind"] == COMPANION) & (protocol != 0))
    if not len(others) or not len(seen):
        return found
    addresses = observed["skbaddr"][seen.rows[~seen.follows]]
    number = np.searchsorted(addresses, observed["skbaddr"][others])
    there = addresses[np.minimum(number, len(addresses) - 1)] == observed["skbaddr"][others]
    others, number = others[there], number[there]
    key = (np.cumsum(~seen.follows) - 1) * len(observed) + seen.rows
    at = np.searchsorted(key, number * len(observed) + others)
    names = observed.names["event"]
    found = found.copy()
    for events, near in ((_AFTER, at - 1), (_BEFORE, at)):
        codes = [names.find(name) for name in events if names.find(name) >= 0]
        mine = np.isin(observed["event"][others], codes)
        place = np.clip(near, 0, len(key) - 1)
        mine &= (key[place] // len(observed) == number) & (seen.dev[place] == observed["dev"][others])
        mine &= (seen.tx[place] == (events is _AFTER)) & (found[place] == 0)
        found[place[mine]] = protocol[others[mine]]
    return found


def _one(seen: Sightings, steps: rules.Steps) -> Array:
    """Steps that are one packet's for certain: it crossed, or was handed up, at once."""
    crossed = steps.from_tx & ~seen.tx & steps.exact & (steps.gap < rules.NESTED_NS)
    handed_up = ~steps.from_tx & ~seen.tx & steps.exact & seen.quiet
    result: Array = seen.follows & (crossed | handed_up | (steps.strong & steps.nested))
    return result


def _spread(protocol: Array, one: Array) -> Array:
    """Give what doesn't say its protocol that of the hops it is one with."""
    run = np.cumsum(~one) - 1
    told = np.zeros(int(run[-1]) + 1, protocol.dtype)
    known = np.flatnonzero(protocol)[::-1]  # of several the first
    told[run[known]] = protocol[known]
    return np.where(protocol == 0, told[run], protocol)
