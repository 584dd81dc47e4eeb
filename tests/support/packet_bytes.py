"""Packets made byte by byte, without any of perfpath's layouts: each by itself, or at random by a seed."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import ip_address
from random import Random

MAC_A, MAC_B = bytes.fromhex("02000000000a"), bytes.fromhex("02000000000b")


def checksum(data: bytes) -> int:
    data += bytes(len(data) % 2)
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ethernet(kind: int, body: bytes, tags: tuple[tuple[int, int], ...] = ()) -> bytes:
    """A frame; tags: (ethertype, tci) from the outermost."""
    inserted = b"".join(struct.pack(">HH", tpid, tci) for tpid, tci in tags)
    return MAC_B + MAC_A + inserted + struct.pack(">H", kind) + body


def ipv4(
    protocol: int,
    body: bytes,
    src: str = "10.0.0.1",
    dst: str = "10.0.0.2",
    *,
    identification: int = 7,
    ttl: int = 64,
    tos: int = 0,
    fragment: int = 0,
    options: bytes = b"",
    length: int | None = None,
) -> bytes:
    size = 20 + len(options)
    header = struct.pack(
        ">BBHHHBBH4s4s",
        0x40 | size // 4,
        tos,
        size + len(body) if length is None else length,
        identification,
        fragment,
        ttl,
        protocol,
        0,
        ip_address(src).packed,
        ip_address(dst).packed,
    )
    header += options
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + body


def ipv6(
    following: int,
    body: bytes,
    src: str = "fd00::1",
    dst: str = "fd00::2",
    *,
    hops: int = 64,
    traffic_class: int = 0,
    flow: int = 0,
) -> bytes:
    first = 6 << 28 | traffic_class << 20 | flow
    addresses = ip_address(src).packed + ip_address(dst).packed
    return struct.pack(">IHBB", first, len(body), following, hops) + addresses + body


def options6(following: int, body: bytes, size: int = 8) -> bytes:
    """Hop-by-hop or destination options, filled with padding."""
    return struct.pack(">BBBB", following, size // 8 - 1, 1, size - 4) + bytes(size - 4) + body


def fragment6(following: int, body: bytes, offset: int, more: int, identification: int) -> bytes:
    return struct.pack(">BBHI", following, 0, offset | more, identification) + body


def tcp(
    sport: int,
    dport: int,
    payload: bytes = b"",
    *,
    seq: int = 1,
    ack: int = 2,
    flags: int = 16,
    options: bytes = b"",
) -> bytes:
    offset_flags = (5 + len(options) // 4) << 12 | flags
    return struct.pack(">HHIIHHHH", sport, dport, seq, ack, offset_flags, 502, 0, 0) + options + payload


def udp(sport: int, dport: int, payload: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack(">HHHH", sport, dport, 8 + len(payload) if length is None else length, 0) + payload


def sctp(sport: int, dport: int, payload: bytes = b"") -> bytes:
    return struct.pack(">HHII", sport, dport, 1, 0) + struct.pack(">BBH", 10, 0, 4 + len(payload)) + payload


def icmp(kind: int, code: int, rest: int, body: bytes = b"") -> bytes:
    message = struct.pack(">BBHI", kind, code, 0, rest) + body
    return message[:2] + struct.pack(">H", checksum(message)) + message[4:]


def echo(kind: int, identifier: int, sequence: int, payload: bytes = b"x" * 56) -> bytes:
    return icmp(kind, 0, identifier << 16 | sequence, payload)


def arp(op: int, sender: str = "10.0.0.1", target: str = "10.0.0.2") -> bytes:
    addresses = MAC_A + ip_address(sender).packed + MAC_B + ip_address(target).packed
    return struct.pack(">HHBBH", 1, 0x0800, 6, 4, op) + addresses


def gre(
    protocol: int, body: bytes, key: int | None = None, *, check: bool = False, sequence: int | None = None
) -> bytes:
    flags = check << 15 | (key is not None) << 13 | (sequence is not None) << 12
    words = [0] * check + [number for number in (key, sequence) if number is not None]
    return struct.pack(f">HH{len(words)}I", flags, protocol, *words) + body


def vxlan(vni: int, frame: bytes) -> bytes:
    return struct.pack(">II", 0x08000000, vni << 8) + frame


def geneve(vni: int, protocol: int, body: bytes, options: int = 0) -> bytes:
    return struct.pack(">BBHI", options, 0, protocol, vni << 8) + bytes(4 * options) + body


@dataclass
class Maker:
    """Honest packets at random, all kinds that are decoded; deep ones have others inside."""

    random: Random

    def address4(self) -> str:
        return f"{self.random.choice(('10.0.0', '172.17.0', '198.18.5'))}.{self.random.randint(1, 254)}"

    def address6(self) -> str:
        return f"{self.random.choice(('fd00', 'fe80', '2001:db8:1:2'))}::{self.random.randint(1, 0xFFFF):x}"

    def port(self) -> int:
        return self.random.choice((22, 53, 80, 443, self.random.randint(40000, 60000)))

    def payload(self, most: int = 80) -> bytes:
        return self.random.randbytes(self.random.randint(0, most))

    def frame(self, depth: int = 2) -> bytes:
        """An Ethernet frame."""
        tags: tuple[tuple[int, int], ...] = ()
        if self.random.random() < 0.25:
            tags = ((0x8100, self.random.randint(0, 0xFFFF)),)
            if self.random.random() < 0.4:
                tags = ((0x88A8, self.random.randint(0, 0xFFFF)), *tags)
        kind = self.random.random()
        if kind < 0.08:
            return ethernet(0x0806, arp(self.random.choice((1, 2)), self.address4(), self.address4()), tags)
        if kind < 0.1:
            return ethernet(0x8847, struct.pack(">I", self.random.getrandbits(20) << 12 | 0x1FF) + b"\x50" * 20, tags)
        if kind < 0.6:
            return ethernet(0x0800, self.packet4(depth), tags)
        return ethernet(0x86DD, self.packet6(depth), tags)

    def packet4(self, depth: int) -> bytes:
        protocol, body = self.body4(depth)
        fragment = 0x4000 if self.random.random() < 0.5 else 0
        if self.random.random() < 0.1 and protocol not in (4, 41, 47):
            fragment = self.random.choice((0x2000, 0x2000 | self.random.randint(1, 500), self.random.randint(1, 8000)))
            body = body[: len(body) // 8 * 8]
        return ipv4(
            protocol,
            body,
            self.address4(),
            self.address4(),
            identification=self.random.getrandbits(16),
            ttl=self.random.randint(1, 255),
            tos=self.random.getrandbits(8),
            fragment=fragment,
            options=b"\1" * (4 * self.random.randint(1, 10)) if self.random.random() < 0.1 else b"",
        )

    def packet6(self, depth: int) -> bytes:
        following, body = self.body6(depth)
        if self.random.random() < 0.1:
            body = options6(following, body, 8 * self.random.randint(1, 3))
            following = 60
        if self.random.random() < 0.1:
            offset = self.random.choice((0, 8 * self.random.randint(1, 500)))
            more = self.random.getrandbits(1)
            if following != 60 or not offset:
                body = fragment6(following, body, offset, more, self.random.getrandbits(32))
                following = 44
        if self.random.random() < 0.1:
            body, following = options6(following, body), 0
        return ipv6(
            following,
            body,
            self.address6(),
            self.address6(),
            hops=self.random.randint(1, 255),
            traffic_class=self.random.getrandbits(8),
            flow=self.random.getrandbits(20),
        )

    def body4(self, depth: int) -> tuple[int, bytes]:
        kind = self.random.random()
        if kind < 0.2:
            return 1, echo(
                self.random.choice((0, 8)), self.random.getrandbits(16), self.random.getrandbits(16), self.payload()
            )
        if kind < 0.3:
            quoted = self.packet4(0)
            quoted = quoted[: self.random.choice((28, 64, len(quoted)))]
            error, code = self.random.choice(((3, 1), (3, 3), (3, 4), (11, 0), (12, 0)))
            return 1, icmp(error, code, self.random.randint(576, 1500) if (error, code) == (3, 4) else 0, quoted)
        return self.common(kind, depth)

    def body6(self, depth: int) -> tuple[int, bytes]:
        kind = self.random.random()
        if kind < 0.15:
            kinds = self.random.choice((128, 129))
            return 58, echo(kinds, self.random.getrandbits(16), self.random.getrandbits(16), self.payload())
        if kind < 0.23:
            quoted = self.packet6(0)
            quoted = quoted[: self.random.choice((48, 80, len(quoted)))]
            error, code = self.random.choice(((1, 0), (1, 4), (2, 0), (3, 0), (4, 1)))
            return 58, icmp(error, code, self.random.randint(1280, 9000) if error == 2 else 0, quoted)
        if kind < 0.3:
            return 58, icmp(self.random.choice((135, 136)), 0, 0, ip_address(self.address6()).packed + bytes(8))
        return self.common(kind, depth)

    def common(self, kind: float, depth: int) -> tuple[int, bytes]:
        """What both families carry. kind: 0.3 to 1."""
        if kind < 0.55 or (depth == 0 and kind >= 0.75):
            options = b"\1" * (4 * self.random.randint(0, 10))
            return 6, tcp(
                self.port(),
                self.port(),
                self.payload(),
                seq=self.random.getrandbits(32),
                ack=self.random.getrandbits(32),
                flags=self.random.getrandbits(9),
                options=options,
            )
        if kind < 0.7:
            return 17, udp(self.port(), self.port(), self.payload())
        if kind < 0.75:
            return 132, sctp(self.random.randint(40000, 60000), self.random.randint(40000, 60000), self.payload())
        return self.tunnel(kind, depth - 1)

    def tunnel(self, kind: float, depth: int) -> tuple[int, bytes]:
        """One packet in another. kind: 0.75 to 1."""
        if kind < 0.8:
            return 4, self.packet4(depth)
        if kind < 0.83:
            return 41, self.packet6(depth)
        if kind < 0.9:
            protocol, inside = self.random.choice(
                ((0x0800, self.packet4), (0x86DD, self.packet6), (0x6558, self.frame))
            )
            key = self.random.getrandbits(32) if self.random.random() < 0.5 else None
            return 47, gre(protocol, inside(depth), key, check=self.random.random() < 0.3)
        if kind < 0.96:
            return 17, udp(50000, 4789, vxlan(self.random.getrandbits(24), self.frame(depth)))
        return 17, udp(50000, 6081, geneve(self.random.getrandbits(24), 0x6558, self.frame(depth)))


def made(seed: int, count: int) -> list[bytes]:
    """So many honest frames."""
    maker = Maker(Random(seed))
    return [maker.frame() for _ in range(count)]
