"""Why the kernel freed a packet: reason, function and call stack of a free event, put into words once for each kind.

A recording has millions of events and a handful of causes: each distinct (reason, location, stack) is looked at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from perfpath.catalogue import entries
from perfpath.symbols import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfpath.symbols import Symbols
    from perfpath.tables import Array, Table

SOFTIRQ_BEGINS = (
    "process_backlog",
    "net_rx_action",
    "handle_softirqs",
    "__do_softirq",
    "do_softirq",
    "napi_threaded_poll",
    "napi_threaded_poll_loop",
)
"""Where a stack leaves the work on this packet: what is below was interrupted, or works on another."""
LOCAL_OUTPUT = (
    "__ip_local_out",
    "ip_local_out",
    "ip_push_pending_frames",
    "ip_send_skb",
    "__ip_queue_xmit",
    "ip_build_and_send_pkt",
    "__ip6_local_out",
    "ip6_local_out",
    "ip6_send_skb",
    "ip6_push_pending_frames",
    "ip6_xmit",
    "raw_sendmsg",
    "rawv6_sendmsg",
)
"""Functions through which a packet that was made on this host begins its way."""
SENDING = ("dev_hard_start_xmit", "__dev_queue_xmit")
BEFORE_A_QUEUE = ("NETFILTER_DROP", "IP_OUTNOROUTES", "NEIGH_", "BPF_CGROUP_EGRESS", "SECURITY_HOOK", "NOT_SPECIFIED")
"""Reasons (or how they begin) of drops before a device was handed the packet."""
LATER = ("TCP_", "QDISC_", "CAKE_", "FQ_", "DUALPI2_", "NEIGH_", "QUEUE_PURGE", "FRAG_", "DUP_FRAG", "SOCKET_")
"""Reasons (or how they begin) of drops of packets that had waited somewhere."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One way to be freed.

    reason: "" where the recording has none. location: by name where it is known. hook: the firewall hook, "" for none
    or unknown. late: it may have waited somewhere since its last hop. made_here: it was on its way out of this host's
    own protocols, before any device; None where no stack tells. in_reaction: it was made while another packet was being
    received. sending: a device was sending it, None likewise.
    """

    reason: str
    location: str
    function: str
    hook: str
    late: bool
    before_a_queue: bool
    made_here: bool | None
    in_reaction: bool
    sending: bool | None

    @property
    def place(self) -> entries.Place | None:
        """What the catalogue says of the function together with this reason."""
        return entries.place_of(self.function, self.reason)

    @property
    def unsure(self) -> bool:
        """Whether healthy packets may end so too, and the function's name, which would tell, is missing."""
        return bool(self.location) and not self.function and entries.reason_of(self.reason).unsure

    @property
    def of_copies(self) -> bool:
        """Whether it is always a copy that is freed there, and never a packet that a device saw."""
        return self.place is not None and self.place.copy


@dataclass(slots=True)
class Causes:
    """The causes of a recording. stacks: its kernel stacks, which may grow; symbols: None where there are no names."""

    symbols: Symbols | None = None
    stacks: Sequence[tuple[int, ...]] = ()
    known: list[Cause] = field(default_factory=list)
    _numbers: dict[tuple[str, str, int], int] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)

    def of(self, observed: Table, rows: Array) -> Array:
        """For each of these rows of free events the number of its cause in `known`."""
        columns = [
            observed[name][rows].astype(np.int64) if name in observed else np.full(len(rows), -1)
            for name in ("reason", "location", "stack")
        ]
        distinct, inverse = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
        numbers = [self._number(observed, *key) for key in distinct.tolist()]
        result: Array = np.array(numbers, dtype=np.int64)[inverse.reshape(-1)]
        return result

    def flags(self, name: str) -> Array:
        """A yes-or-no property of all known causes: 1, 0, -1 where nobody knows."""
        values = [getattr(cause, name) for cause in self.known]
        return np.array([-1 if value is None else int(value) for value in values], dtype=np.int8)

    def which(self, name: str, cause: Array) -> Array:
        """For each of these causes (-1: none) whether it surely has a property."""
        result: Array = np.array([*(getattr(each, name) is True for each in self.known), False])[cause]
        return result

    def _number(self, observed: Table, reason: int, location: int, stack: int) -> int:
        texts = [
            (observed.names[name][code] or "") if code >= 0 else ""
            for name, code in (("reason", reason), ("location", location))
        ]
        key = (texts[0], texts[1], stack)
        if key not in self._numbers:
            self._numbers[key] = len(self.known)
            self.known.append(self._cause(texts[0], texts[1], self.functions(stack)))
        return self._numbers[key]

    def functions(self, stack: int) -> list[str]:
        """The functions that worked on the packet, innermost first: those of a stack down to where softirq began."""
        if not 0 <= stack < len(self.stacks):
            return []
        found: list[str] = []
        for address in self.stacks[stack]:
            name = entries.function_of(self._name(hex(address)))
            if name in SOFTIRQ_BEGINS:
                break
            found.append(name)
        return found if any(found) else []

    def _name(self, location: str) -> str:
        if location not in self._names:
            self._names[location] = text_of(location, self.symbols)
        return self._names[location]

    def _cause(self, reason: str, location: str, functions: list[str]) -> Cause:
        named = self._name(location) if location else ""
        entry = entries.reason_of(reason)
        return Cause(
            reason=reason,
            location=named,
            function=entries.function_of(named),
            hook=entries.hook_of(functions),
            late=entry.socket or reason.startswith(LATER),
            before_a_queue=not reason or reason.startswith(BEFORE_A_QUEUE),
            made_here=_made_here(functions) if functions else None,
            in_reaction=any(name.startswith("__netif_receive_skb") for name in functions),
            sending=any(name in SENDING for name in functions) if functions else None,
        )


def _made_here(functions: list[str]) -> bool:
    """Whether local output comes before any receiving function, seen from the free."""
    for name in functions:
        if name in LOCAL_OUTPUT:
            return True
        if name.startswith(("__netif_receive_skb", "ip_forward", "ip6_forward")) or name in SENDING:
            return False
    return False
