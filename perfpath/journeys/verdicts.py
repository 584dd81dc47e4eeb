"""Decisions in the words of jsonl: one JSON object for each different thing that was decided about a packet."""

from __future__ import annotations

import errno
import json
from typing import Any

AGAIN = -errno.EAGAIN
"""fib_table_lookup's answer where a table has no route: the next table is asked."""
LOCAL, NO_WAY = 255, ("EHOSTUNREACH", "ENETUNREACH")  # RT_TABLE_LOCAL (include/uapi/linux/rtnetlink.h)
NO_GATEWAY = {"", "0.0.0.0", "::"}  # noqa: S104 - no address to listen on
TCP = {
    "tcp:tcp_retransmit_skb": "retransmitted",
    "tcp:tcp_send_reset": "reset sent",
    "tcp:tcp_receive_reset": "reset received",
    "tcp:tcp_bad_csum": "bad checksum",
}
TCP_SAYS = ("state", "reason")
STATES = (
    *("", "TCP_ESTABLISHED", "TCP_SYN_SENT", "TCP_SYN_RECV", "TCP_FIN_WAIT1", "TCP_FIN_WAIT2", "TCP_TIME_WAIT"),
    *("TCP_CLOSE", "TCP_CLOSE_WAIT", "TCP_LAST_ACK", "TCP_LISTEN", "TCP_CLOSING", "TCP_NEW_SYN_RECV"),
)
"""By number (BPF_TCP_* of include/uapi/linux/bpf.h holds them still): the events' formats may name no numbers."""


def gateway_of(said: dict[str, Any]) -> str | None:
    """The gateway that a lookup's fields name; None where they can't be one.

    fib_table_lookup leaves gw4 and gw6 as they were in its buffer where a route has none (include/trace/events/fib.h),
    so one of them must be zero and the other not; and even then it may be what the lookup before left there.
    """
    if "gw" in said:
        return None if said["gw"] in NO_GATEWAY else str(said["gw"])
    four, six = said.get("gw4", ""), said.get("gw6", "")
    if (four in NO_GATEWAY) == (six in NO_GATEWAY):
        return None
    return str(six if four in NO_GATEWAY else four)


def told(event: str, role: str, dev: str | None, said: dict[str, Any], *, gateway: bool) -> str:
    """The object as JSON. role: what the decision was to this packet. dev: the event's device.

    gateway: whether the lookup's gateway is sure to be its own.
    """
    return json.dumps(_object(event, role, dev, said, gateway=gateway))


def _object(event: str, role: str, dev: str | None, said: dict[str, Any], *, gateway: bool) -> dict[str, Any]:
    system = event.partition(":")[0]
    if system in ("fib", "fib6"):
        return _route(role, said, gateway=gateway)
    if system == "neigh":
        return _neighbour(role, dev, said)
    if system == "icmp":
        ends = {name: said.get(f"{name[0]}addr") for name in ("src", "dst")}
        return {"kind": "icmp error", "type": said.get("type"), "code": said.get("code"), **ends}
    if system == "bridge":
        return {"kind": "learned", "mac": said.get("addr"), "port": dev, "vlan": said.get("vid") or None}
    found: dict[str, Any] = {"kind": "tcp", "what": TCP.get(event, event)}
    return found | {name: _state(said[name]) if name == "state" else said[name] for name in TCP_SAYS if name in said}


def _state(given: int | str) -> int | str:
    """A TCP state by name, or as it is where it is none that is known."""
    number = int(given, 0) if isinstance(given, str) and given[:1].isdigit() else given
    return STATES[number] if isinstance(number, int) and 0 < number < len(STATES) else given


def _route(role: str, said: dict[str, Any], *, gateway: bool) -> dict[str, Any]:
    error = int(said.get("err", 0))
    return {
        "kind": "route",
        "for": role,
        "table": said.get("tb_id"),
        "src": None if said.get("src") in NO_GATEWAY else said.get("src"),
        "dst": said.get("dst"),
        "dev": None if error or said.get("name") in ("", "-") else said.get("name"),
        "gateway": gateway_of(said) if gateway and not error else None,
        "error": error_name(error),
    }


def error_name(error: int) -> str | None:
    """ENETUNREACH for -101; None for 0."""
    return errno.errorcode.get(-error, str(error)) if error else None


def asks_on(error: str | None, table: int | None, dst: str) -> bool:
    """Whether the next table is asked. IPv6 has no word of its own for that: its local table then has no way at all."""
    return error == "EAGAIN" or (table == LOCAL and ":" in dst and error in NO_WAY)


def _neighbour(role: str, dev: str | None, said: dict[str, Any]) -> dict[str, Any]:
    state = said.get("new_state", said.get("nud_state"))
    mac = said.get("new_lladdr", said.get("lladdr"))
    known = state not in ("incomplete", "failed", "0x0") and said.get("lladdr_len") == 6 and role != "asked"
    return {
        "kind": "neighbour",
        "what": role,
        "address": key_of(said),
        "dev": dev,
        "state": None if role == "asked" else state,
        "mac": mac if known else None,
    }


def key_of(said: dict[str, Any]) -> str | None:
    """The neighbour's address; which of two fields has it depends on its family (AF_INET 2, AF_INET6 10)."""
    name = {2: "primary_key4", 10: "primary_key6"}.get(int(said.get("family", 0)))
    return None if name is None else said.get(name)
