"""Packets that nobody honest sends, made at random by a seed: rare headers, lying lengths, flipped bytes."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from random import Random
from typing import TYPE_CHECKING

import packet_bytes as made

if TYPE_CHECKING:
    from collections.abc import Callable

ERRORS4 = (3, 4, 5, 11, 12)
ERRORS6 = (1, 2, 3, 4)
TYPES4 = (0, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
TYPES6 = (1, 2, 3, 4, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 143)
OPTIONS4 = (7, 68, 130, 131, 133, 134, 136, 137, 148, 149, 205, 254)
"""Record route, timestamp, security, loose route, ..., router alert, and unknown ones: each with a length."""
OPTIONS_TCP = (2, 3, 4, 5, 8, 14, 15, 19, 28, 29, 30, 34, 253)
PROTOCOLS = (0, 2, 33, 50, 51, 59, 88, 89, 103, 108, 112, 115, 135, 136, 137, 253)
TAGS = (0x8100, 0x88A8, 0x9100)


class Hostile(made.Maker):
    """Makes frames of every kind below; what is inside may be honest or not."""

    def frame(self, depth: int = 2) -> bytes:
        """An Ethernet frame."""
        kinds: tuple[tuple[int, Callable[[int], bytes]], ...] = (
            (20, super().frame),
            (6, self.tagged),
            (5, self.ieee),
            (6, self.odd_arp),
            (3, self.labelled),
            (30, lambda deep: made.ethernet(0x0800, self.packet4(deep))),
            (30, lambda deep: made.ethernet(0x86DD, self.packet6(deep))),
        )
        (kind,) = self.random.choices([make for _, make in kinds], [weight for weight, _ in kinds])
        return kind(depth)

    def maybe(self, honest: int, most: int, chance: float = 0.1) -> int:
        """A number that is right mostly."""
        return self.random.randint(0, most) if self.random.random() < chance else honest

    def tagged(self, depth: int) -> bytes:
        """Many tags, also of the kinds that no tag stands behind."""
        tags = tuple((self.random.choice(TAGS), self.random.getrandbits(16)) for _ in range(self.random.randint(1, 10)))
        kind, body = self.random.choice(((0x0800, self.packet4(depth)), (0x86DD, self.packet6(depth))))
        return made.ethernet(kind, body, tags)

    def ieee(self, depth: int) -> bytes:
        """802.3 frames: LLC, SNAP, raw ones; their lengths are right or not."""
        snap = bytes.fromhex("aaaa03") + self.random.choice((b"\0\0\0", b"\0\0\xf8", b"\x08\0\x07"))
        snap += self.random.choice((b"\x08\0", b"\x86\xdd", b"\x80\x9b")) + self.packet4(depth)
        llc = bytes([self.random.getrandbits(8), self.random.getrandbits(8), 3]) + self.payload()
        body = self.random.choice((snap, llc, b"\xff\xff" + self.payload(), self.payload(3), bytes.fromhex("424203")))
        return made.ethernet(self.maybe(len(body), 0x05FF, 0.4), body)

    def odd_arp(self, _depth: int) -> bytes:
        """ARP of odd hardware and protocols, and of lengths that fit or don't."""
        hardware, protocol = self.random.choice((1, 1, 6, 15, 24, 32)), self.random.choice((0x0800, 0x0800, 0x809B))
        sizes = self.maybe(6, 20, 0.3), self.maybe(4, 16, 0.2)
        head = struct.pack(">HHBBH", hardware, protocol, *sizes, self.random.randint(0, 10))
        return made.ethernet(self.random.choice((0x0806, 0x0806, 0x8035)), head + self.random.randbytes(48))

    def labelled(self, depth: int) -> bytes:
        """A stack of MPLS labels, with or without an end."""
        labels = [self.random.getrandbits(20) << 12 | self.random.getrandbits(8) for _ in range(3)]
        stack = struct.pack(">III", *labels[:2], self.maybe(labels[2] | 0x100, 2**32 - 1))
        return made.ethernet(self.random.choice((0x8847, 0x8848)), stack + self.packet4(depth))

    def packet4(self, depth: int) -> bytes:
        if self.random.random() < 0.25:
            return super().packet4(depth)
        protocol, body = self.body4(depth)
        fragment = self.random.choice((0, 0, 0, 0x4000, 0x2000, 0x2001, 0x0010, 0x8000, 0x3FFF, 0x1FFF))
        length = None
        if self.random.random() < 0.1:
            length = self.random.choice((0, 19, 20, 24, 28, 20 + len(body) - 1, 20 + len(body) + 9, 65535))
        packet = made.ipv4(
            self.maybe(protocol, 255, 0.03),
            body,
            self.address4(),
            self.address4(),
            identification=self.random.getrandbits(16),
            fragment=fragment,
            options=self.options(OPTIONS4, 40) if self.random.random() < 0.3 else b"",
            length=length,
        )
        return bytes([self.maybe(packet[0], 255, 0.02)]) + packet[1:]

    def options(self, kinds: tuple[int, ...], most: int) -> bytes:
        """Options of these kinds, ends and fillers; their lengths are right or not; padded to four bytes."""
        found = b""
        while self.random.random() < 0.7:
            kind = self.random.choice((0, 1, *kinds, *kinds))
            size = self.random.randint(0, 10)
            found += bytes([kind]) if kind < 2 else bytes([kind, self.maybe(size + 2, 255, 0.2)]) + bytes(size)
        return (found + bytes(-len(found) % 4))[:most]

    def body4(self, depth: int) -> tuple[int, bytes]:
        kind = self.random.random()
        if kind < 0.3:
            return 1, self.message(1, ERRORS4, TYPES4, self.packet4)
        if kind < 0.35:
            return self.random.choice(PROTOCOLS), self.payload()
        return self.body(depth)

    def body6(self, depth: int) -> tuple[int, bytes]:
        kind = self.random.random()
        if kind < 0.15:
            return 58, self.message(58, ERRORS6, TYPES6, self.packet6)
        if kind < 0.3:
            return 58, self.discovery()
        if kind < 0.33:
            return self.random.choice(PROTOCOLS), self.payload()
        return self.body(depth)

    def body(self, depth: int) -> tuple[int, bytes]:
        """What both families carry."""
        kind = self.random.random()
        if kind < 0.3:
            segment = made.tcp(self.port(), self.port(), self.payload(), options=self.options(OPTIONS_TCP, 40))
            return 6, segment[:12] + bytes([self.maybe(segment[12], 255)]) + segment[13:]
        if kind < 0.45:
            return 17, made.udp(self.port(), self.port(), self.payload(), self.maybe(0, 200) or None)
        if kind < 0.55:
            chunk = struct.pack(">BBH", self.random.randint(0, 15), 0, self.maybe(20, 65535)) + self.payload()
            return 132, struct.pack(">HHII", self.port(), self.port(), 1, 0) + chunk * self.random.randint(0, 2)
        if depth == 0:
            return 17, made.udp(self.port(), self.port())
        return self.hostile_tunnel(depth - 1)

    def hostile_tunnel(self, depth: int) -> tuple[int, bytes]:
        """GRE with any flags, VXLAN with any, GPE, GENEVE with options, IP in IP, and what only has their ports."""
        inside = self.random.choice((self.packet4, self.packet6, self.frame))
        protocol = {self.packet4: 0x0800, self.packet6: 0x86DD, self.frame: 0x6558}[inside]
        protocol = self.maybe(protocol, 65535)
        packet = inside(depth)
        kind = self.random.random()
        if kind < 0.4:
            flags = self.random.choice((0, 0x8000, 0x2000, 0x1000, 0xB000, 0x4000, 0x0800, self.random.getrandbits(16)))
            words = self.random.randbytes(4 * (flags & 0xF000).bit_count())
            return 47, struct.pack(">HH", flags, protocol) + words + packet
        if kind < 0.6:
            flags = self.random.choice((0x08000000, 0x0C000000, 0x88000000, self.random.getrandbits(32)))
            header = struct.pack(">II", flags, self.random.getrandbits(24) << 8 | self.maybe(0, 255))
            return 17, made.udp(50000, self.random.choice((4789, 4789, 8472, 4790)), header + packet)
        if kind < 0.8:
            options = self.random.randint(0, 4)
            header = made.geneve(self.random.getrandbits(24), protocol, packet, options)
            return 17, made.udp(50000, 6081, bytes([self.maybe(options, 255)]) + header[1:])
        return self.random.choice((4, 41)), packet

    def message(
        self, protocol: int, errors: tuple[int, ...], types: tuple[int, ...], packet: Callable[[int], bytes]
    ) -> bytes:
        """Any ICMP message; errors embed cut packets, and say how much of them they have, rightly or not."""
        kind = self.random.choice(types)
        rest = self.random.getrandbits(32)
        body = self.payload()
        if kind in errors:
            quoted = packet(0)
            body = quoted[: self.random.randint(0, len(quoted))]
            unit = 4 if protocol == 1 else 8
            said = self.random.choice((0, 0, len(body) // unit, 32, self.random.randint(0, 255)))
            rest = said << (16 if protocol == 1 else 24)
            if self.random.random() < 0.3:
                body += b"\x20\0\0\0" + self.random.randbytes(12)
        return made.icmp(kind, self.random.randint(0, 15), rest, body)

    def discovery(self) -> bytes:
        """Neighbour discovery with options of every kind, and lengths of 0 among them."""
        kind = self.random.choice((133, 134, 135, 136, 137))
        target = ip_address(self.address6()).packed
        body = {133: b"", 134: bytes(8), 135: target, 136: target, 137: target * 2}[kind]
        for _ in range(self.random.randint(0, 3)):
            size = self.random.randint(1, 4)
            option = self.random.choice((1, 2, 3, 4, 5, 14, 24, 25, 31, 200))
            body += bytes([option, self.maybe(size, 255)]) + self.random.randbytes(8 * size - 2)
        return made.icmp(kind, 0, self.random.getrandbits(32), body[: self.maybe(len(body), len(body), 0.2)])

    def packet6(self, depth: int) -> bytes:
        if self.random.random() < 0.2:
            return super().packet6(depth)
        following, body = self.body6(depth)
        for _ in range(self.random.choice((0, 0, 1, 1, 2, 3, 5, 9))):
            following, body = self.extension(following, body)
        packet = made.ipv6(following, body, self.address6(), self.address6(), flow=self.random.getrandbits(20))
        length = (
            self.random.choice((0, 1, 7, len(body) - 1, len(body) + 9)) if self.random.random() < 0.08 else len(body)
        )
        first = self.maybe(packet[0], 255, 0.02)
        return bytes([first]) + packet[1:4] + struct.pack(">H", max(length, 0)) + packet[6:]

    def extension(self, following: int, body: bytes) -> tuple[int, bytes]:
        """One more header before what follows."""
        kind = self.random.choice((0, 43, 44, 44, 51, 51, 60, 135, 139, 140))
        if kind == 44:
            offset = self.random.choice((0, 0, 8, 1480, 0xFFF8))
            return kind, made.fragment6(
                following, body, offset, self.random.getrandbits(3), self.random.getrandbits(32)
            )
        size = 8 * self.random.randint(1, 4)
        if kind == 51:  # counted in four bytes, less two
            return kind, struct.pack(">BB", following, self.maybe(size // 4 + 1, 255, 0.05)) + bytes(size + 10) + body
        head = struct.pack(">BB", following, self.maybe(size // 8 - 1, 255, 0.05))
        return kind, head + (bytes([1, size - 4]) + bytes(size - 4) if kind in (0, 60) else bytes(size - 2)) + body

    def flipped(self, frame: bytes) -> bytes:
        """The frame with some bytes changed, or cut."""
        changed = bytearray(frame)
        for _ in range(self.random.randint(1, 3)):
            at = self.random.randrange(12, min(len(changed), 90)) if len(changed) > 13 else 0
            changed[at] = self.random.choice((0, 1, 255, 0x45, 6, 0x60, changed[at] ^ 1 << self.random.randrange(8)))
        end = self.random.randint(14, len(changed)) if len(changed) > 14 and self.random.random() < 0.3 else None
        return bytes(changed[:end])


def hostile(seed: int, count: int) -> list[bytes]:
    """So many frames, half of them with bytes flipped."""
    maker = Hostile(Random(seed))
    return [
        maker.flipped(frame) if maker.random.random() < 0.5 else frame
        for frame in (maker.frame() for _ in range(count))
    ]
