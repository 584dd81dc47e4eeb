"""The addresses that packets' bytes show at hops, and those that decisions are about, ready to be compared."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from perfpath.packets.decode import decode
from perfpath.packets.describe import headers_of

if TYPE_CHECKING:
    from perfpath.firstbytes import FirstBytes
    from perfpath.tables import Array, Table

MAPPED = 0xFFFF << 32  # IPv4 as ::ffff:a.b.c.d, as the packets' table has it
WORD = (1 << 64) - 1
COLUMNS = ("src_hi", "src_lo", "dst_hi", "dst_lo")


def halves(text: str | None) -> tuple[int, int]:
    """An address as two numbers; zeros for none, and for "any"."""
    if not text:
        return 0, 0
    address = ipaddress.ip_address(text)
    number = int(address)
    if not number:
        return 0, 0
    number += MAPPED if address.version == 4 else 0
    return number >> 64, number & WORD


@dataclass(slots=True)
class Ends:
    """Both ends of n packets or questions. known: that anything is known of them; proto: IP protocol, -1 unknown."""

    columns: dict[str, Array]
    proto: Array
    known: Array

    def take(self, rows: Array) -> Ends:
        """Some of them."""
        return Ends({name: each[rows] for name, each in self.columns.items()}, self.proto[rows], self.known[rows])

    def same(self, end: str, other: Ends, others: str) -> Array:
        """Whether one end is the other's."""
        result: Array = np.ones(len(self.proto), bool)
        for half in ("hi", "lo"):
            result &= self.columns[f"{end}_{half}"] == other.columns[f"{others}_{half}"]
        return result

    def any(self, end: str) -> Array:
        """Whether an end is left open: 0.0.0.0 or ::."""
        result: Array = (self.columns[f"{end}_hi"] == 0) & (self.columns[f"{end}_lo"] == 0)
        return result


def ends_of(rows: Array, observed: Table, packets: FirstBytes | None) -> tuple[Ends, Table | None]:
    """What the bytes at these rows (-1 for none) say, and the table of all they say."""
    number = np.full(len(rows), -1, np.int64)
    if packets is not None and "packet" in observed:
        number = np.where(rows >= 0, observed["packet"][rows], -1)
    if packets is None or not len(rows) or not (number >= 0).any():
        nothing = {name: np.zeros(len(rows), np.uint64) for name in COLUMNS}
        return Ends(nothing, np.full(len(rows), -1), np.zeros(len(rows), bool)), None
    outer = decode(headers_of(packets.take(number))).outer
    known = outer["family"] > 0
    return Ends({name: outer[name] for name in COLUMNS}, outer["proto"].astype(np.int64), known), outer


def asked(questions: list[dict[str, Any]]) -> Ends:
    """What lookups were about."""
    numbers = [(*halves(each.get("src")), *halves(each.get("dst"))) for each in questions]
    table = np.array(numbers, np.uint64).reshape(-1, 4)
    columns = {name: table[:, at] for at, name in enumerate(COLUMNS)}
    proto = np.array([int(each.get("proto") or 0) for each in questions], np.int64)
    return Ends(columns, proto, np.ones(len(questions), bool))
