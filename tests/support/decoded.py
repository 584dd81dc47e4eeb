"""What perfpath decoded, in tshark's field names and occurrences: the outermost level first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfpath.packets import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfpath.packets.schema import Packets

IP4, IP6, ARP = 0x0800, 0x86DD, 0x0806


def chains(packets: Packets) -> Iterator[list[dict[str, Any]]]:
    """Each packet's levels."""
    inner = text.rows(packets.inner)
    for row in text.rows(packets.outer):
        chain = [row]
        while chain[-1]["inner"] >= 0:
            chain.append(inner[chain[-1]["inner"]])
        yield chain


def fields(chain: list[dict[str, Any]]) -> dict[str, list[str]]:
    """A packet's fields, as numbers in decimal and addresses as text."""
    found: dict[str, list[str]] = {}

    def put(name: str, value: int | str, missing: object = -1) -> None:
        if value not in (missing, ""):
            found.setdefault(name, []).append(str(value))

    for row in chain:
        _link(row, put)
        if row["family"] and row["ethertype"] != ARP:
            _network(row, put)
        _transport(row, put)
        if row["icmp_type"] >= 0:
            _control(row, put)
        put({2: "-", 3: "gre.key", 4: "vxlan.vni", 5: "geneve.vni"}.get(row["carries"], "-"), row["tunnel_id"])
    found.pop("-", None)
    return found


def _link(row: dict[str, Any], put: Any) -> None:
    put("eth.dst", text.mac(row["dst_mac"]))
    put("eth.src", text.mac(row["src_mac"]))
    put("vlan.id", row["vlan"])
    put("vlan.id", row["vlan_inner"])
    put("mpls.label", row["mpls"])
    put("arp.opcode", row["arp_op"])
    put("arp.src.hw_mac", text.mac(row["arp_sha"]))
    put("arp.dst.hw_mac", text.mac(row["arp_tha"]))
    if row["ethertype"] == ARP and row["family"]:
        put("arp.src.proto_ipv4", text.source(row))
        put("arp.dst.proto_ipv4", text.destination(row))


def _network(row: dict[str, Any], put: Any) -> None:
    four = row["family"] == 4
    name = "ip" if four else "ipv6"
    put(f"{name}.src", text.source(row))
    put(f"{name}.dst", text.destination(row))
    put("ip.ttl" if four else "ipv6.hlim", row["ttl"])
    put("ip.dsfield" if four else "ipv6.tclass", row["tos"])
    if four:
        put("ip.id", row["ip_id"])
        put("ip.len", row["ip_len"])
        put("ip.frag_offset", row["frag_offset"])
        put("ip.flags.mf", row["more_fragments"])
        put("ip.proto", row["proto"])
        return
    put("ipv6.flow", row["flow_label"])
    put("ipv6.plen", row["ip_len"] - 40 if row["ip_len"] >= 0 else -1)
    if row["ip_id"] >= 0:
        put("ipv6.fraghdr.offset", row["frag_offset"])
        put("ipv6.fraghdr.more", row["more_fragments"])
        put("ipv6.fraghdr.ident", row["ip_id"])


def _transport(row: dict[str, Any], put: Any) -> None:
    ports = {6: ("tcp.srcport", "tcp.dstport"), 17: ("udp.srcport", "udp.dstport")}
    source, target = ports.get(row["proto"], ("sctp.srcport", "sctp.dstport"))
    put(source, row["sport"])
    put(target, row["dport"])
    put("tcp.seq_raw", row["tcp_seq"])
    put("tcp.ack_raw", row["tcp_ack"])
    put("tcp.flags", row["tcp_flags"])
    put("tcp.window_size_value", row["tcp_window"])
    if row["proto"] == 6:
        put("tcp.len", row["payload_len"])
    put("udp.length", row["udp_len"])


def _control(row: dict[str, Any], put: Any) -> None:
    four = row["family"] == 4
    put("icmp.type" if four else "icmpv6.type", row["icmp_type"])
    put("icmp.code" if four else "icmpv6.code", row["icmp_code"])
    put("icmp.ident" if four else "icmpv6.echo.identifier", row["icmp_id"])
    put("icmp.seq" if four else "icmpv6.echo.sequence_number", row["icmp_seq"])
    put("icmp.mtu" if four else "icmpv6.mtu", row["icmp_mtu"])
    if row["nd_hi"] or row["nd_lo"]:
        kind = {135: "ns", 136: "na"}.get(row["icmp_type"], "rd")
        put(f"icmpv6.nd.{kind}.target_address", text.address(6, row["nd_hi"], row["nd_lo"]))


def normal(found: dict[str, list[str]]) -> dict[str, list[str]]:
    """tshark's own values in the same form: no hexadecimal, no empty fields, fragment offsets in bytes."""
    plain = {
        name: [str(int(value, 0)) if value[:2] == "0x" else value for value in values]
        for name, values in found.items()
        if values
    }
    for name in ("ip.frag_offset", "ipv6.fraghdr.offset"):
        if name in plain:
            plain[name] = [str(8 * int(value)) for value in plain[name]]
    outer = [tag for name in ("id", "svid", "cvid") for tag in plain.pop(f"ieee8021ad.{name}", [])]
    if tags := outer + plain.get("vlan.id", []):  # ours stand among all tags
        plain["vlan.id"] = sorted(tags)
    if "tcp.flags" in plain:  # there with the bits above AE, which nobody has given a meaning
        plain["tcp.flags"] = [str(int(value) & 0x1FF) for value in plain["tcp.flags"]]
    return plain


QUOTED_ONLY_HERE = {"tcp.seq_raw", "tcp.len"}
QUOTED_PERHAPS = {"tcp.ack_raw", "tcp.flags", "tcp.window_size_value"}
"""Of a TCP header quoted by an ICMP error tshark doesn't show these; or shows them mostly."""


def disagreements(chain: list[dict[str, Any]], theirs: dict[str, list[str]]) -> list[str]:
    """The fields in which tshark contradicts perfpath, in words."""
    return [f"{name}: {left} here, {right} there" for name, left, right in differing(chain, theirs)]


def differing(chain: list[dict[str, Any]], theirs: dict[str, list[str]]) -> list[tuple[str, list[str], list[str]]]:
    """The fields in which tshark contradicts perfpath: (name, values here, values there).

    Where all levels were read whole, all fields must agree. In a header that was cut off tshark shows single fields
    and perfpath none, or tshark gives up first: then one's values must be the beginning of the other's.
    """
    ours, theirs = fields(chain), normal(theirs)
    if len(theirs.get("vlan.id", [])) > 1:
        ours["vlan.id"] = sorted(ours.get("vlan.id", []))
    quoted = any(row["carries"] == 1 for row in chain)
    whole = all(row["ended"] == 0 for row in chain)
    unlike = QUOTED_ONLY_HERE if quoted else set()
    if any(row["more_fragments"] == 1 for row in chain):
        unlike = unlike | {"tcp.len"}  # of what the fragment holds, there; of the whole, here
    if not whole:
        unlike = unlike | {"vlan.id"}  # sorted, so that a beginning isn't one any more
    wrong = []
    for name in sorted({*ours, *theirs} - unlike):
        left, right = ours.get(name, []), theirs.get(name, [])
        least = min(len(left), len(right))
        exact = whole and not (quoted and name in QUOTED_PERHAPS)
        if (left != right) if exact else (left[:least] != right[:least]):
            wrong.append((name, left, right))
    return wrong
