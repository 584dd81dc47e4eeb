"""Packets in words: `#17146.001 172.17.0.1 -> 172.17.0.2`, as people write them.

For what is shown, hundreds of rows, not for millions. A row without a readable address gives "".
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from perfpath.packets import names
from perfpath.packets.ethernet import ARP, MAPPED
from perfpath.packets.schema import CARRIERS, IN_ERROR, MALFORMED, TRUNCATED, Packets

if TYPE_CHECKING:
    from perfpath.tables import Table

Row = dict[str, Any]
"""One row of PACKETS or INNER as plain values."""


def address(family: int, high: int, low: int) -> str:
    """An address as text; "" where there is none."""
    if family == 4:
        return str(ipaddress.IPv4Address(low - MAPPED))
    return str(ipaddress.IPv6Address(high << 64 | low)) if family == 6 else ""


def mac(number: int) -> str:
    """A MAC address as text; "" where it is missing."""
    return "" if number < 0 else number.to_bytes(6, "big").hex(":")


def rows(table: Table) -> list[Row]:
    """A table's rows as plain values."""
    columns = [column.tolist() for column in table.columns.values()]
    return [dict(zip(table.columns, values, strict=True)) for values in zip(*columns, strict=True)]


def source(row: Row) -> str:
    """The source (or ARP's sender) as text."""
    return address(row["family"], row["src_hi"], row["src_lo"])


def destination(row: Row) -> str:
    """The destination (or ARP's target) as text."""
    return address(row["family"], row["dst_hi"], row["dst_lo"])


def l4(row: Row) -> str | None:
    """What is inside IP, by name or number; `arp` for ARP; None where unknown."""
    if row["ethertype"] == ARP:
        return "arp"
    number = row["proto"]
    return None if number < 0 else names.PROTOCOLS.get(number, f"proto-{number}")


def ends(row: Row) -> str:
    """`src -> dst`, with ports where there are some."""
    if not row["family"]:
        return ""
    return f"{_end(row, source(row), row['sport'])} -> {_end(row, destination(row), row['dport'])}"


def _end(row: Row, text: str, port: int) -> str:
    if port < 0:
        return text
    return f"[{text}]:{port}" if row["family"] == 6 else f"{text}:{port}"


def tcp_flags(flags: int) -> str:
    """Flags as tcpdump writes them: [S], [S.], [none]."""
    return f"[{''.join(letter for bit, letter in names.TCP_FLAGS if flags & bit) or 'none'}]"


def icmp(row: Row) -> str:
    """What an ICMP message says."""
    kinds, codes = (names.ICMP, names.ICMP_CODES) if row["family"] == 4 else (names.ICMP6, names.ICMP6_CODES)
    kind, code = row["icmp_type"], row["icmp_code"]
    said = codes.get((kind, code)) or kinds.get(kind) or f"type {kind} code {code}"
    if row["icmp_mtu"] >= 0:
        said += f" (mtu {row['icmp_mtu']})"
    if row["nd_hi"] or row["nd_lo"]:
        said += f" of {address(6, row['nd_hi'], row['nd_lo'])}"
    return said


def number(row: Row) -> str:
    """`#id.seq` of an echo, as the request and its reply share it; "" where there is none."""
    return "" if row["icmp_seq"] < 0 else f"#{row['icmp_id']}.{row['icmp_seq']:03d}"


def _what(row: Row) -> str:
    """The first words: an echo's number, or the protocol and what it says."""
    name = l4(row)
    if row["icmp_seq"] >= 0 and row["icmp_type"] in (0, 8, 128, 129):
        return number(row)
    if row["icmp_type"] >= 0:
        return f"{name} {icmp(row)} {number(row)}".rstrip()
    if row["tcp_flags"] >= 0:
        return f"tcp {tcp_flags(row['tcp_flags'])}"
    if name is None:
        return names.ETHERTYPES.get(row["ethertype"], f"ethertype 0x{row['ethertype']:04x}") if row["ethertype"] else ""
    return name


def _arp(row: Row) -> str:
    """What ARP asks or tells."""
    if row["family"] and row["arp_op"] == 1:
        return f"arp who-has {destination(row)} tell {source(row)}"
    if row["family"] and row["arp_op"] == 2:
        return f"arp {source(row)} is-at {mac(row['arp_sha'])}"
    return f"arp {names.ARP.get(row['arp_op'], row['arp_op'])}" if row["arp_op"] >= 0 else "arp"


def _around(row: Row) -> str:
    """What stands behind the addresses: fragments, and why a header wasn't read to its end."""
    words = []
    if row["frag_offset"] > 0 or row["more_fragments"] == 1:
        words.append(f"fragment {row['frag_offset']}{'+' if row['more_fragments'] else ''}")
    if row["ended"] in (TRUNCATED, MALFORMED):
        words.append("(cut off)" if row["ended"] == TRUNCATED else "(malformed)")
    return " ".join(words)


def sentence(row: Row, inner: list[Row]) -> str:
    """A level and what is inside it, in a line. inner: the rows of `Packets.inner`."""
    if row["ethertype"] == ARP:
        return f"{_arp(row)} {_around(row)}".rstrip()
    what = _what(row)
    if row["carries"] and row["carries"] != IN_ERROR:
        what = CARRIERS[row["carries"]] + (f" {row['tunnel_id']}" if row["tunnel_id"] >= 0 else "")
    said = " ".join(word for word in (what, ends(row), _around(row)) if word)
    if row["inner"] >= 0 and (nested := sentence(inner[row["inner"]], inner)):
        said += f" ({'about ' if row['carries'] == IN_ERROR else ''}{nested})"
    return said


def sentences(packets: Packets) -> list[str]:
    """Each packet in a line, "" where nothing is known of one."""
    inner = rows(packets.inner)
    return [sentence(row, inner) for row in rows(packets.outer)]


def facts(row: Row) -> dict[str, str | int] | None:
    """What programs want to know of a packet, by the names of JOURNEYS; None where nothing is known."""
    known = {
        "src": source(row) or None,
        "dst": destination(row) or None,
        "l4": l4(row),
        **{name: row[name] if row[name] >= 0 else None for name in ("sport", "dport", "icmp_id", "icmp_seq")},
    }
    return {name: value for name, value in known.items() if value is not None} or None
