"""What was decided about packets in words: route lookups, neighbours, errors, the firewall's verdicts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from perfpath.escape import visible
from perfpath.journeys.verdicts import asks_on

if TYPE_CHECKING:
    from perfpath.tables import Table

TABLES = {253: "default", 254: "main", 255: "local"}  # include/uapi/linux/rtnetlink.h: RT_TABLE_*
NEIGHBOUR = {
    "used": "goes to",
    "asked": "asks for",
    "answered": "tells of",
    "waited for": "waited for",
    "failed": "nobody answered for",
}
ICMP = {
    (3, 0): "network unreachable",
    (3, 1): "host unreachable",
    (3, 2): "protocol unreachable",
    (3, 3): "port unreachable",
    (3, 4): "fragmentation needed",
    (3, 9): "network prohibited",
    (3, 10): "host prohibited",
    (3, 13): "administratively prohibited",
    (11, 0): "time exceeded",
    (11, 1): "reassembly time exceeded",
    (5, 0): "redirect",
    (5, 1): "redirect",
    (12, 0): "parameter problem",
}
"""Types and codes of ICMP errors (include/uapi/linux/icmp.h)."""


def decisions_in(table: Table, column: str = "decisions") -> list[list[dict[str, Any]]]:
    """The decisions of each row, [] where there are none; each different text is read once."""
    if column not in table:
        return [[]] * len(table)
    known = [json.loads(text) for text in table.names[column].texts]
    return [known[code] if code >= 0 else [] for code in table[column].tolist()]


def words(decision: dict[str, Any]) -> str:
    """One decision in words, escaped."""
    say = {"route": _route, "neighbour": _neighbour, "icmp error": _icmp, "learned": _learned, "firewall": _firewall}
    return visible(say.get(decision["kind"], _tcp)(decision))


def _route(said: dict[str, Any]) -> str:
    table = TABLES.get(said["table"], said["table"])
    check = "" if said["for"] in ("input", "output") else f" ({said['for']})"
    about = f"route{check}  {said['src'] or 'any'} to {said['dst']}, table {table}: "
    if said["error"]:
        return about + ("none there" if asks_on(said["error"], said["table"], said["dst"]) else said["error"])
    return (
        about + (f"dev {said['dev']}" if said["dev"] else "?") + (f" via {said['gateway']}" if said["gateway"] else "")
    )


def _neighbour(said: dict[str, Any]) -> str:
    text = f"neighbour  {NEIGHBOUR.get(said['what'], said['what'])} {said['address']} on {said['dev']}"
    text += f": {said['state']}" if said["state"] else ""
    return text + (f", {said['mac']}" if said["mac"] else "")


def _icmp(said: dict[str, Any]) -> str:
    name = ICMP.get((said["type"], said["code"]), f"type {said['type']} code {said['code']}")
    return f"answered with an ICMP error: {name}"


def _learned(said: dict[str, Any]) -> str:
    vlan = f", vlan {said['vlan']}" if said["vlan"] else ""
    return f"bridge learns {said['mac']} on {said['port']}{vlan}"


def _firewall(said: dict[str, Any]) -> str:
    other = "policy" if said["type"] == "policy" else "end of the chain"
    rule = said["rule"] or (f"rule of handle {said['handle']}" if said["handle"] else other)
    return f"firewall  {said['family']} {said['table']} {said['chain']}: {rule} -> {said['verdict']}"


def _tcp(said: dict[str, Any]) -> str:
    more = ", ".join(str(said[name]) for name in ("state", "reason") if said.get(name))
    return f"tcp {said['what']}" + (f" ({more})" if more else "")
