"""The tables that flow between the rooms, declared once: name, dtype, unit, meaning, and what stands for "missing".

`dtype` is numpy's name, or "category": int32 codes into a list of names, -1 for missing. Times and addresses never
pass through floats. Columns marked optional stand in a table only where the recording has them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    dtype: str
    unit: str
    meaning: str
    missing: int = -1
    optional: bool = False


UNKNOWN_RC = -(2**31)

EVENTS = (
    Column("time_ns", "int64", "ns", "when, on perf's clock; the table is sorted by it"),
    Column("cpu", "int16", "", "the CPU it happened on"),
    Column("pid", "int32", "", "the process that was running (the thread, where a format prints only one number)"),
    Column("tid", "int32", "", "the thread that was running"),
    Column("comm", "category", "", "that thread's name"),
    Column("event", "category", "", "the tracepoint; `net:` is left out, other categories keep theirs"),
    Column("dev", "category", "", "interface name, as the tracepoint has it"),
    Column("skbaddr", "uint64", "", "the kernel address (or its hash) of the sk_buff", 0),
    Column("len", "uint32", "bytes", "the skb's length as the tracepoint reports it", 0),
    Column("protocol", "uint16", "", "ethertype, host byte order", 0),
    Column("flags", "int16", "", "common_flags of the trace entry: 0x08 hardirq, 0x10 softirq, 0x40 NMI"),
    Column("stack", "int32", "", "index into the recording's kernel stacks"),
    Column("task_netns", "uint32", "", "network namespace (inode) of the running process at that time", 0),
    Column("netns", "uint32", "", "network namespace (inode) of the device, where the event itself has it", 0),
    Column("ifindex", "int32", "", "interface index, where the event itself has it", 0),
    Column("rc", "int32", "", "net_dev_xmit's rc, or an *_exit event's ret", UNKNOWN_RC, optional=True),
    Column("reason", "category", "", "why the packet was dropped, in the recording's own words", optional=True),
    Column(
        "location",
        "category",
        "",
        "where in the kernel it was freed: `ping_rcv+0xab`, or the address in hexadecimal",
        optional=True,
    ),
    Column("packet", "int64", "", "number of the packet's first bytes (perfpath.firstbytes)", optional=True),
    Column("decision", "category", "", "what a table said: the event's own fields as JSON", optional=True),
    Column("by_socket", "bool", "", "netns and ifindex are those of a packet socket's sighting", 0, optional=True),
)
"""One row per tracepoint hit."""

SIGHTINGS = (
    Column("time_ns", "int64", "ns", "when, CLOCK_MONOTONIC; what a bridge passes up has the stamp of its receipt"),
    Column("cpu", "int16", "", "the CPU it happened on, -1 unknown"),
    Column("netns", "uint32", "", "inode of the socket's namespace", 0),
    Column("ifindex", "int32", "", "interface index", 0),
    Column("dev", "category", "", "its name, as it was when the sighting was fetched"),
    Column("tx", "bool", "", "sent, as the device was handed it; else received"),
    Column("len", "uint32", "bytes", "length of the whole packet from its link-layer header on", 0),
    Column("protocol", "uint16", "", "ethertype, host byte order", 0),
)
"""What packet sockets saw, one row each; beside these columns `packet` is a PACKET[n] of `perfpath.firstbytes`."""

HOPS = (
    *EVENTS,
    Column("journey", "int64", "", "the journey this hop belongs to"),
    Column("hop", "int32", "", "its number in the journey, from 0"),
    Column("direction", "category", "", "`tx` or `rx`"),
    Column("netns_name", "category", "", "what people call the namespace"),
    Column(
        "evidence", "category", "", "how the namespace is known: kernel, socket, context, unique-name, link, inferred"
    ),
    Column("candidates", "category", "", "where several namespaces remain: their inode numbers, comma-separated"),
    Column("delta_ns", "int64", "ns", "since the hop before; 0 at the first"),
    Column("queue_ns", "int64", "ns", "net_dev_queue to net_dev_start_xmit, where recorded", -1),
    Column("xmit_ns", "int64", "ns", "net_dev_start_xmit to net_dev_xmit, where recorded", -1),
    Column(
        "why", "category", "", "what the kernel did since the hop before, where there are call stacks", optional=True
    ),
    Column("frames", "category", "", "the call stack: a line for each function, innermost first", optional=True),
    Column("backlog_ns", "int64", "ns", "netif_rx to netif_receive_skb, where recorded", -1),
    Column("outer", "category", "", "tags and tunnels around the packet here: a JSON array, as jsonl", optional=True),
    Column(
        "decisions", "category", "", "what was decided about the packet here: a JSON array, as jsonl", optional=True
    ),
)
"""One row per place a packet was seen: the event that showed it, and what is known of the place.

`netns` here is the namespace of the hop (0 unknown), by whatever evidence."""

JOURNEYS = (
    Column("journey", "int64", "", "number, in order of the first hop"),
    Column("skbaddr", "uint64", "", "the sk_buff it was keyed on", 0),
    Column("start_ns", "int64", "ns", "first hop"),
    Column("end_ns", "int64", "ns", "last hop"),
    Column("hops", "int32", "", "how many"),
    Column("path", "int32", "", "number of the distinct path: same events, devices and namespaces in the same order"),
    Column("role", "category", "", "`request` or `reply`, where two journeys were paired"),
    Column("peer", "int64", "", "the journey it answers, or that answers it"),
    Column("complete", "bool", "", "no loss overlapped it, and all its hops are its own as far as can be told", 0),
    Column("uncertain", "bool", "", "a hop of it may be another packet's, of the same skbaddr", 0),
    Column(
        "cut", "category", "", "the rule that ended the chain, where it was cut from a later hop of the same skbaddr"
    ),
    Column("parent", "int64", "", "the journey whose packet it was made of, where that is known"),
    Column("lineage", "category", "", "what it is to that: segment, fragment, retransmission, copy, flooded copy, ..."),
    Column("outcome", "category", "", "dropped, delivered, answered, left, merged, copied; missing where unknown"),
    Column("reason", "category", "", "of a drop: why, in the recording's own words; missing before kernel 5.17"),
    Column("location", "category", "", "of a drop: the function, or its address where its name isn't known"),
    Column("hook", "category", "", "of a drop: the firewall hook it happened at, where a call stack tells"),
    Column("ended_ns", "int64", "ns", "when the outcome was seen"),
    Column("end_netns", "uint32", "", "network namespace (inode) where it ended", 0),
    Column("end_netns_name", "category", "", "what people call that namespace"),
    Column("end_pid", "int32", "", "the process it was delivered to, or that had sent what no device ever saw"),
    Column("end_comm", "category", "", "that process's name"),
    Column(
        "decisions", "category", "", "of a packet without hops: what was decided about it, as in HOPS", optional=True
    ),
    Column("src", "category", "", "source address, or ARP's sender", optional=True),
    Column("dst", "category", "", "destination address, or ARP's target", optional=True),
    Column("l4", "category", "", "what is inside IP: `icmp`, `tcp`, ...; `arp`", optional=True),
    Column("sport", "int32", "", "source port", optional=True),
    Column("dport", "int32", "", "destination port", optional=True),
    Column("icmp_id", "int32", "", "identifier of an echo", optional=True),
    Column("icmp_seq", "int32", "", "its sequence number", optional=True),
    Column("message", "category", "", "what it says: `icmp echo request`, `tcp [S.]`, `arp who-has`", optional=True),
)
"""One row per packet; one that was dropped before any device saw it has no hops, and path -1.

What its bytes say stands there where the recording has bytes: of the packet that no tunnel wraps any more."""
