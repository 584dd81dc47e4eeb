"""The shape of a line: where its time stands, and which keys its fields have. Lines of one shape are read at once.

␣␣␣␣␣␣ping 10280 [000]  4843.359673:           net:net_dev_queue: dev=docker0 skbaddr=0xffff8881b112f200 len=98
└────── before ───────┘ └── time ─┘└────────── behind ──────────┘ └─ fields ──┘
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from perfpath.readers.text.record import PERF_TRACE

if TYPE_CHECKING:
    from perfpath.readers.text.record import Event

LONGEST_HEAD = 64
"""Bytes before the time, or between it and the fields, that are looked at in bulk."""
_KEY = re.compile(rb"[ (:](\w+)=")
ROLES: Final = {b"dev": "dev", b"skbaddr": "skbaddr", b"len": "len", b"protocol": "protocol", b"rc": "rc", b"ret": "rc"}
"""Keys of the fields that are read in bulk -> the columns of EVENTS."""
_UNSURE = {b"name", b"skb_addr", b"ifindex"}
"""Keys of rare events that are left to the line by line reading."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the time's point stands, how many digits are before and behind it, and all keys in order.

    bare, plain: the pointer, the protocol have no 0x; closed: a parenthesis ends the line (perf trace);
    cpu: where the CPU's digits begin and end, where they stand before the time.
    """

    point: int
    whole: int
    fraction: int
    keys: tuple[bytes, ...]
    bare: bool
    plain: bool
    closed: bool
    cpu: tuple[int, int] | None

    @property
    def unit(self) -> int:
        """Nanoseconds of the time's whole part: perf trace prints ms with three digits, the others seconds."""
        return 1_000_000 if self.fraction == 3 else 1_000_000_000


def shape_of(line: bytes, event: Event) -> Shape | None:
    """The shape of a line that was read; None where it has something the bulk way doesn't know."""
    start, point, end = event.head.time
    keys = tuple(_KEY.findall(line))
    if point < 0 or start > LONGEST_HEAD or not 1 <= point - start <= 16 or line.count(b"=") != len(keys):
        return None
    if event.head.cpu_at is not None and event.head.cpu_at[1] - event.head.cpu_at[0] > 8:
        return None
    roles = [ROLES[key] for key in keys if key in ROLES]
    if not keys or len(set(keys)) < len(keys) or len(set(roles)) < len(roles) or _UNSURE & set(keys):
        return None
    if b"dev" in keys and keys[0] != b"dev":
        return None
    fields = dict(re.findall(rb"(\w+)=([^ )]*)", line))
    address = fields.get(b"skbaddr", b"0x")
    return Shape(
        point,
        point - start,
        end - point - 1,
        keys,
        not address.startswith(b"0x"),
        not fields.get(b"protocol", b"0x").startswith(b"0x"),
        event.head.format == PERF_TRACE,
        event.head.cpu_at,
    )
