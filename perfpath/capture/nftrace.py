"""What the user's own trace rules (`meta nftrace set 1`) tell.

A netlink socket in each namespace listens, as that of `nft monitor trace` does. Nothing is added to any ruleset, and
nothing stays: the sockets end with us.

A message is nlmsghdr, nfgenmsg, attributes (include/uapi/linux/netfilter/nf_tables.h: enum nft_trace_attributes,
nft_verdict_attributes); numbers in it are big-endian, the headers' own lengths are the host's.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Inside = Callable[[Callable[[], socket.socket]], socket.socket]

NETLINK_NETFILTER, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 12, 270, 1
NFNLGRP_NFTRACE = 9  # include/uapi/linux/netfilter/nfnetlink.h
TRACE = 10 << 8 | 17  # NFNL_SUBSYS_NFTABLES, NFT_MSG_TRACE
TABLE, CHAIN, HANDLE, TYPE, VERDICT, ID, NETWORK, TRANSPORT, IIF, OIF, POLICY = 1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 16
NESTED = 0x3FFF  # the type without NLA_F_NESTED and NLA_F_NET_BYTEORDER
TYPES = {1: "policy", 2: "return", 3: "rule"}
VERDICTS = {0: "drop", 1: "accept", 2: "stolen", 3: "queue", 4: "repeat", 5: "stop"}
MORE_VERDICTS = {-1: "continue", -2: "break", -3: "jump", -4: "goto", -5: "return"}
FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
BUFFER = 1 << 22
PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class Verdict:
    """One step of a packet through a ruleset.

    time_ns: when we were told (CLOCK_MONOTONIC), which is after it happened. netns: inode. id: the kernel's for the
    packet. kind: rule, policy or return. network, transport: the headers' first bytes in hexadecimal, where this is the
    first message of a chain. iif, oif: interface indexes, 0 for none.
    """

    time_ns: int
    netns: int
    id: int
    family: str
    table: str
    chain: str
    handle: int
    kind: str
    verdict: str
    network: str = ""
    transport: str = ""
    iif: int = 0
    oif: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return asdict(self)


class Listener:
    """Sockets in namespaces, and a thread that takes what comes, so that its time is right."""

    def __init__(self) -> None:
        self.lost = 0
        self._selector = selectors.DefaultSelector()
        self._rooms: dict[int, socket.socket] = {}
        self._found: list[Verdict] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="perfpath-nftrace", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def namespaces(self) -> frozenset[int]:
        """The inodes of those that are listened to."""
        return frozenset(self._rooms)

    def add(self, inum: int, inside: Inside) -> bool:
        """Listen in one more namespace. inside: runs a function in it. False where that can't be."""
        try:
            found = inside(opened)
        except OSError:
            return False
        with self._lock:
            self._rooms[inum] = found
            self._selector.register(found, selectors.EVENT_READ, inum)
        return True

    def remove(self, gone: Sequence[int]) -> None:
        """Stop listening in these."""
        with self._lock:
            for inum in gone:
                if (found := self._rooms.pop(inum, None)) is not None:
                    self._selector.unregister(found)
                    found.close()

    def take(self) -> list[Verdict]:
        """What came since the last call."""
        with self._lock:
            self._sweep(0)
            found, self._found = self._found, []
        return found

    def close(self) -> None:
        """Stop; the last ones can still be taken."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._thread.join()
        with self._lock:
            self._sweep(0)
        self.remove(list(self._rooms))

    def _run(self) -> None:
        while not self._closing.wait(0.002):
            with self._lock:
                self._sweep(0)

    def _sweep(self, timeout: float) -> None:
        if not self._rooms:
            return
        for key, _ in self._selector.select(timeout):
            self._read(key.fileobj, key.data)  # type: ignore[arg-type] # sockets only

    def _read(self, source: socket.socket, inum: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    data = source.recv(PIECE)
                except OSError as error:
                    if isinstance(error, BlockingIOError):
                        raise
                    self.lost += 1  # ENOBUFS: more came than there was room for
                    continue
                self._found += messages(data, time.monotonic_ns(), inum)


def opened() -> socket.socket:
    """A socket that is told of traces in the calling thread's namespace."""
    found = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
    with contextlib.suppress(OSError):
        found.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_RCVBUFFORCE", 33), BUFFER)
    found.bind((0, 0))
    found.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTRACE)
    found.setblocking(False)
    return found


def messages(data: bytes, time_ns: int, netns: int) -> Iterator[Verdict]:
    """The verdicts in a datagram; what isn't one, or is cut short, is left out."""
    at = 0
    while at + 20 <= len(data):
        length, kind = struct.unpack_from("=IH", data, at)
        if length < 20 or at + length > len(data):
            return
        if kind == TRACE:
            yield _verdict(data[at + 16], attributes(data[at + 20 : at + length]), time_ns, netns)
        at += (length + 3) & ~3


def attributes(data: bytes) -> dict[int, bytes]:
    """Netlink attributes by type."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4 or at + length > len(data):
            break
        found[kind & NESTED] = data[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def _verdict(family: int, found: dict[int, bytes], time_ns: int, netns: int) -> Verdict:
    kind = _number(found.get(TYPE))
    inner = attributes(found.get(VERDICT, b""))
    code = inner.get(1, found.get(POLICY) if kind == 1 else None)
    number = int.from_bytes(code, "big", signed=True) if code else 0
    words = {**VERDICTS, **MORE_VERDICTS}.get(number, str(number))
    target = _text(inner.get(2))
    return Verdict(
        time_ns=time_ns,
        netns=netns,
        id=_number(found.get(ID)),
        family=FAMILIES.get(family, str(family)),
        table=_text(found.get(TABLE)),
        chain=_text(found.get(CHAIN)),
        handle=_number(found.get(HANDLE)),
        kind=TYPES.get(kind, str(kind)),
        verdict=f"{words} {target}".rstrip(),
        network=found.get(NETWORK, b"").hex(),
        transport=found.get(TRANSPORT, b"").hex(),
        iif=_number(found.get(IIF)),
        oif=_number(found.get(OIF)),
    )


def _number(data: bytes | None) -> int:
    return int.from_bytes(data or b"", "big")


def _text(data: bytes | None) -> str:
    return (data or b"").split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
