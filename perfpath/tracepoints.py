"""What each tracepoint means: which of them make a hop, and which only add to one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HopEvent:
    """A tracepoint that shows a packet at a place."""

    name: str
    direction: str
    meaning: str


MAIN = (
    HopEvent("net_dev_queue", "tx", "a device's queue is handed the packet: bridges, veth, lo, NICs"),
    HopEvent("netif_rx", "rx", "a packet enters the receive backlog: lo, veth without NAPI, tun"),
    HopEvent("netif_receive_skb_entry", "rx", "a packet is received directly: a bridge passing it up, macvlan"),
    HopEvent("napi_gro_receive_entry", "rx", "a NAPI driver hands the packet up: NICs, virtio, veth with NAPI"),
)
"""Each (packet, device, direction) is seen once and in order by these four."""

FALLBACK = (
    HopEvent("net_dev_xmit", "tx", "the driver was handed the packet"),
    HopEvent("netif_receive_skb", "rx", "the protocols are handed the packet"),
)
"""What a recording without any of the four is read by."""

HOP_EVENTS = {event.name: event for event in (*MAIN, *FALLBACK)}

COMPANIONS = (
    "net_dev_start_xmit",
    "net_dev_xmit",
    "netif_rx_entry",
    "netif_rx_exit",
    "netif_receive_skb",
    "netif_receive_skb_exit",
    "netif_receive_skb_list_entry",
    "netif_receive_skb_list_exit",
    "napi_gro_receive_exit",
    "napi_gro_frags_entry",
    "napi_gro_frags_exit",
    "net_dev_xmit_timeout",
)
"""Other `net:*` events: they add to a hop and never make a second one."""

DROPS = ("skb:kfree_skb",)
"""Recorded beside the four: drops are rare, and say what became of a packet."""

COMPLETE = (
    "skb:consume_skb",
    "skb:skb_copy_datagram_iovec",
    "net_dev_start_xmit",
    "net_dev_xmit",
    "netif_receive_skb",
    "qdisc:qdisc_enqueue",
    "qdisc:qdisc_dequeue",
    "napi_gro_receive_exit",
    "sock:sk_data_ready",
)
"""What --complete adds: ends that are no drops, and the waits between."""

DECISIONS = (
    "fib:fib_table_lookup",
    "fib6:fib6_table_lookup",
    "neigh:neigh_event_send_done",
    "neigh:neigh_timer_handler",
    "neigh:neigh_update",
    "neigh:neigh_update_done",
    "icmp:icmp_send",
    "bridge:br_fdb_update",
    "tcp:tcp_retransmit_skb",
    "tcp:tcp_send_reset",
    "tcp:tcp_receive_reset",
    "tcp:tcp_bad_csum",
)
"""What --decisions adds: why the kernel sent packets where it did, and what it answered."""

RECEIVING = "netif_receive_skb"
"""Recorded beside them: it tells which packet a CPU works on, and so whom a decision is about."""

SOFTIRQ, HARDIRQ, NMI = 0x10, 0x08, 0x40
"""Bits of common_flags (include/linux/trace_events.h: TRACE_FLAG_*)."""


def perf_name(event: str) -> str:
    """The name perf knows a tracepoint by: `net_dev_queue` -> `net:net_dev_queue`."""
    return event if ":" in event else f"net:{event}"
