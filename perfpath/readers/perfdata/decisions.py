"""What routing, neighbour and other tables said about packets: each event's own fields as one JSON text.

The texts are interned: a recording has many decisions and few different ones. What makes each of them different and
says nothing (ports, jiffies, reference counts) is left out. Fields are found by name in the recording's own format.
"""

from __future__ import annotations

import ipaddress
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from perfpath.tracepoints import DECISIONS

if TYPE_CHECKING:
    import numpy.typing as npt

    from perfpath.readers.perfdata.formats import Field, Format
    from perfpath.readers.perfdata.symbols import Symbols
    from perfpath.tables import Array, Names

NUMBERS = (
    *("tb_id", "err", "oif", "iif", "proto", "rt_type", "family", "nud_state", "new_state", "lladdr_len"),
    *("type", "code", "state", "reason", "vid", "created"),
)
"""Plain numbers that are kept, by their names in the formats (include/trace/events/{fib,fib6,neigh,icmp,tcp}.h)."""
BYTES = (
    *("src", "dst", "gw4", "gw6", "gw", "primary_key4", "primary_key6", "lladdr", "new_lladdr", "addr", "name"),
    *("saddr", "daddr", "saddr_v6", "daddr_v6"),
)
MAC_BYTES = 6
INET, INET6 = 2, 10  # include/linux/socket.h


class DecisionReader:
    """Reads the decisions of one tracepoint."""

    def __init__(self, form: Format, names: Names) -> None:
        wanted = [form.by_name[name] for name in (*NUMBERS, *BYTES) if name in form.by_name]
        self._fields: list[Field] = [field for field in wanted if field.kind in ("number", "array")]
        self._columns = np.concatenate([np.arange(each.offset, each.end) for each in self._fields] or [np.arange(0)])
        self._symbols: dict[str, Symbols] = {
            name: form.symbols[name] for name in ("nud_state", "new_state", "state", "reason") if name in form.symbols
        }
        self._names = names
        self._known: dict[bytes, int] = {}

    def codes(self, raw: npt.NDArray[np.uint8], order: str) -> Array:
        """int32[n]: the code of each event's text. raw: uint8[n, size of the format]."""
        if not len(raw):
            return np.zeros(0, np.int32)
        kept = np.ascontiguousarray(raw[:, self._columns])
        rows = kept.view(np.dtype((np.void, max(kept.shape[1], 1)))).reshape(-1) if kept.shape[1] else None
        if rows is None:
            return np.full(len(raw), self._code(b"", order), np.int32)
        distinct, inverse = np.unique(rows, return_inverse=True)
        found: Array = np.array([self._code(each.tobytes(), order) for each in distinct], np.int32)[inverse.reshape(-1)]
        return found

    def _code(self, kept: bytes, order: str) -> int:
        code = self._known.get(kept)
        if code is None:
            code = self._known[kept] = self._names.code(json.dumps(self._values(kept, order)))
        return code

    def _values(self, kept: bytes, order: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        at = 0
        for field in self._fields:
            piece, at = kept[at : at + field.size], at + field.size
            if field.kind == "number":
                number = int.from_bytes(piece, "little" if order == "<" else "big", signed=field.signed)
                symbols = self._symbols.get(field.name)
                values[field.name] = number if symbols is None else symbols.text(number)
            else:
                values[field.name] = _shown(field.name, piece, order)
        return values


def _shown(name: str, piece: bytes, order: str) -> str:
    """An array of bytes as text: a name, a MAC address, an IP address, a sockaddr."""
    if name == "name":
        return piece.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
    if name in ("lladdr", "new_lladdr", "addr"):
        return piece[:MAC_BYTES].hex(":")
    if len(piece) in (4, 16):
        return str(ipaddress.ip_address(piece))
    return _sockaddr(piece, order)


def _sockaddr(piece: bytes, order: str) -> str:
    """The address in a struct sockaddr_in or sockaddr_in6; "" for another family, or none."""
    family = int.from_bytes(piece[:2], "little" if order == "<" else "big")
    if family == INET:
        return str(ipaddress.IPv4Address(piece[4:8]))
    return str(ipaddress.IPv6Address(piece[8:24])) if family == INET6 else ""


def decides(form: Format) -> bool:
    """Whether a tracepoint is one of those that tell of decisions."""
    return form.perf_name in DECISIONS
