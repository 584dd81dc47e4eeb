"""Packets' first bytes in the RAW data of our own dynamic events (see perfpath.capture.tprobes).

What stands in `raw` begins at skb->data: at net_dev_queue that is the link-layer header, at the receive hops what is
behind it. (net/core/dev.c: __dev_queue_xmit, netif_rx_internal; net/ethernet/eth.c: eth_type_trans)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfpath.firstbytes import ETHERNET, NETWORK, packed
from perfpath.readers.perfdata.formats import OURS
from perfpath.readers.perfdata.gather import column
from perfpath.tracepoints import HOP_EVENTS

if TYPE_CHECKING:
    from perfpath.readers.perfdata.formats import Field, Format
    from perfpath.tables import Array

_RAW = ("raw", "raw2")
_HEADER = 14  # bytes of an Ethernet header
_NUMBERS = ("head", "data", "nhoff", "data_len", "vlan_tci", "vlan_all")


@dataclass(frozen=True, slots=True)
class Probed:
    """Where a dynamic event has a packet: `raw` and, if it is longer than an array may be, `raw2` behind it.

    numbers: of _NUMBERS those it has. tx: the event is a sent packet's.
    """

    raw: tuple[Field, ...]
    numbers: dict[str, Field]
    tx: bool


def probed(form: Format) -> Probed | None:
    """Where a format has a packet's bytes; None where it has none."""
    if not form.is_probe or form.name not in HOP_EVENTS or not form.system.startswith(OURS):
        return None
    found = [form.by_name[name] for name in _RAW if name in form.by_name]
    if not found or any(field.kind != "array" or field.element != 1 for field in found):
        return None
    numbers = {name: form.by_name[name] for name in _NUMBERS if name in form.by_name}
    numbers = {name: field for name, field in numbers.items() if field.kind == "number"}
    return Probed(tuple(found), numbers, HOP_EVENTS[form.name].direction == "tx")


def packets_of(raw: Array, order: str, where: Probed, length: Array, protocol: Array) -> Array:
    """PACKET[n] from the fixed parts of RAW (uint8[n, size]); protocol is in host byte order."""
    numbers = {
        name: column(raw, field.offset, f"u{field.size}", order).astype(np.int64)  # addresses: only differences count
        for name, field in where.numbers.items()
    }
    found = np.concatenate([raw[:, field.offset : field.end] for field in where.raw], axis=1)
    captured = np.minimum(length.astype(np.int64), found.shape[1])
    if "data_len" in numbers:  # what isn't in the linear part isn't behind skb->data
        captured = np.clip(length.astype(np.int64) - numbers["data_len"], 0, captured)
    network = _network(numbers, where, captured)
    layer = np.where((network >= 0) & (protocol > 0), NETWORK, 0)
    if where.tx:
        layer[_framed(found, captured, protocol, network)] = ETHERNET
    return packed(
        found, captured, layer=layer, ethertype=protocol, network=network, length=length, vlan=_vlan(numbers, len(raw))
    )


def _network(numbers: dict[str, Array], where: Probed, captured: Array) -> Array:
    """Where in the bytes the network header begins, -1 unknown."""
    if not where.tx:
        return np.zeros(len(captured), np.int64)
    if not {"head", "data", "nhoff"} <= numbers.keys():
        return np.full(len(captured), -1)
    at = numbers["head"] + numbers["nhoff"] - numbers["data"]
    return np.where((at >= 0) & (at < captured), at, -1)


def _framed(found: Array, captured: Array, protocol: Array, network: Array) -> Array:
    """Sent packets that begin with an Ethernet header: its type says what the kernel says."""
    if found.shape[1] < _HEADER:
        return np.zeros(len(found), bool)
    ethertype = found[:, 12].astype(np.int64) << 8 | found[:, 13]
    framed: Array = (captured >= _HEADER) & (ethertype == protocol) & (protocol > 0) & (network != 0)
    return framed


def _vlan(numbers: dict[str, Array], count: int) -> Array:
    """The id of the tag that isn't in the bytes, -1 none. vlan_all: proto and tci, 0 together where there is none."""
    if "vlan_tci" not in numbers or "vlan_all" not in numbers:
        return np.full(count, -1)
    return np.where(numbers["vlan_all"] != 0, numbers["vlan_tci"] & 0xFFF, -1)
