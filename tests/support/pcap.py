"""Classic pcap files and the tools that read them: oracles for what perfpath reads in the same bytes."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = """
    eth.dst eth.src ieee8021ad.id ieee8021ad.svid ieee8021ad.cvid vlan.id mpls.label
    arp.opcode arp.src.hw_mac arp.dst.hw_mac arp.src.proto_ipv4 arp.dst.proto_ipv4
    ip.src ip.dst ip.ttl ip.dsfield ip.id ip.len ip.frag_offset ip.flags.mf ip.proto
    ipv6.src ipv6.dst ipv6.hlim ipv6.tclass ipv6.flow ipv6.plen
    ipv6.fraghdr.offset ipv6.fraghdr.more ipv6.fraghdr.ident
    tcp.srcport tcp.dstport tcp.seq_raw tcp.ack_raw tcp.flags tcp.window_size_value tcp.len
    udp.srcport udp.dstport udp.length sctp.srcport sctp.dstport
    icmp.type icmp.code icmp.ident icmp.seq icmp.mtu
    icmpv6.type icmpv6.code icmpv6.echo.identifier icmpv6.echo.sequence_number icmpv6.mtu
    icmpv6.nd.ns.target_address icmpv6.nd.na.target_address icmpv6.nd.rd.target_address gre.key vxlan.vni geneve.vni
""".split()  # noqa: SIM905 - a list of quoted words can't be read
PREFERENCES = (
    "ip.defragment:FALSE",
    "ipv6.defragment:FALSE",
    "tcp.relative_sequence_numbers:FALSE",
    "tcp.desegment_tcp_streams:FALSE",
    "tcp.try_heuristic_first:FALSE",
    "udp.try_heuristic_first:FALSE",
    "tcp.analyze_sequence_numbers:FALSE",
)


def needs(*tools: str) -> pytest.MarkDecorator:
    """Skips where a tool is missing, but never where PERFPATH_REQUIRE says that this is CI."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(missing) and not os.environ.get("PERFPATH_REQUIRE"), reason=f"without {missing}")


def write(path: Path, packets: list[bytes], snaplen: int = 65535, link: int = 1) -> Path:
    """A pcap file; what is beyond snaplen is cut, the length on the wire kept."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link))
        for number, packet in enumerate(packets):
            head = packet[:snaplen]
            file.write(struct.pack("<IIII", number, 0, len(head), len(packet)) + head)
    return path


def read(path: Path) -> list[bytes]:
    """The packets of a pcap file that nothing was cut from."""
    data = path.read_bytes()
    assert struct.unpack_from("<I", data)[0] in (0xA1B2C3D4, 0xA1B23C4D)
    at, packets = 24, []
    while at < len(data):
        captured, length = struct.unpack_from("<II", data, at + 8)
        assert captured == length
        packets.append(data[at + 16 : at + 16 + captured])
        at += 16 + captured
    return packets


TRUTH = {"True": "1", "False": "0"}
"""What tshark 4.2 and later print of a flag, and what earlier ones did."""


def tshark(path: Path) -> list[dict[str, list[str]]]:
    """Each packet's fields, each with its occurrences from the outside in."""
    argv = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=;"]
    argv += ["-d", "udp.port==8472,vxlan"]
    for preference in PREFERENCES:
        argv += ["-o", preference]
    for name in FIELDS:
        argv += ["-e", name]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    rows = [line.split("\t") for line in done.stdout.split("\n")[:-1]]
    values = [[[TRUTH.get(word, word) for word in value.split(";")] if value else [] for value in row] for row in rows]
    return [dict(zip(FIELDS, row, strict=True)) for row in values]


def tcpdump(path: Path, expression: str) -> list[int]:
    """The numbers of the packets that tcpdump's filter lets through; `write` made the seconds their numbers."""
    argv = ["tcpdump", "-r", str(path), "-n", "-tt", "-q", expression]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return [int(line.split(".")[0]) for line in done.stdout.splitlines() if line[:1].isdigit()]


def displayed(path: Path, expression: str) -> list[int]:
    """The numbers, from 0, of the packets that a display filter of tshark lets through."""
    argv = ["tshark", "-n", "-r", str(path), "-d", "udp.port==8472,vxlan", "-Y", expression]
    for preference in PREFERENCES:
        argv += ["-o", preference]
    done = subprocess.run([*argv, "-T", "fields", "-e", "frame.number"], capture_output=True, text=True, check=True)
    return [int(line) - 1 for line in done.stdout.split()]
