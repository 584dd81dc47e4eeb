"""The tests of a match expression: qualifiers (`src`, `host`, `tcp port`) and what they are applied to."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from perfpath.packets import names
from perfpath.packets.ethernet import ARP, IPV4, IPV6
from perfpath.packets.predicates import Addresses, Echo, Ethertype, Length, Mac, Ports, Protocol, Tunnel, Vlan
from perfpath.packets.schema import IN_GENEVE, IN_GRE, IN_VXLAN
from perfpath.packets.tokens import complain
from perfpath.packets.transport import ICMP, ICMP6, SCTP, TCP, UDP
from perfpath.packets.truth import both

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfpath.packets.tokens import Token
    from perfpath.tables import Array, Table

PROTOCOLS: dict[str, Ethertype | Protocol] = {
    "ip": Ethertype(IPV4),
    "ip6": Ethertype(IPV6),
    "arp": Ethertype(ARP),
    "icmp": Protocol(ICMP, (IPV4,)),
    "icmp6": Protocol(ICMP6, (IPV6,)),
    "tcp": Protocol(TCP),
    "udp": Protocol(UDP),
    "sctp": Protocol(SCTP),
}
TUNNELS = {  # what its number is called, and the most it can be
    "vxlan": (IN_VXLAN, "a VXLAN's number", 0xFFFFFF),
    "geneve": (IN_GENEVE, "a GENEVE network's number", 0xFFFFFF),
    "gre": (IN_GRE, "a GRE key", 0xFFFFFFFF),
}
KINDS = ("host", "net", "port", "portrange", "proto")
NUMBERED = ("less", "greater", "icmp-id", "icmp-seq")
NOUNS = {
    "host": "an address",
    "net": "a network such as 10.0.0.0/8",
    "port": "a port",
    "portrange": "a range such as 1-1023",
    "proto": "a protocol",
}
SIDES = ("src", "dst")
RESERVED = {*PROTOCOLS, *KINDS, *NUMBERED, *SIDES, *TUNNELS, "vlan", "ether", "and", "or", "not", "(", ")", "mask"}
PORTED = {"tcp": (TCP,), "udp": (UDP,), "sctp": (SCTP,), "": (TCP, UDP, SCTP)}


@dataclass(frozen=True, slots=True)
class Qualifiers:
    """What stands before an operand. protocol: also of TUNNELS, `ether`, `vlan`; side: SIDES, `or`, `and`."""

    protocol: str = ""
    side: str = ""
    kind: str = ""

    @classmethod
    def read(cls, expression: str, words: Sequence[Token]) -> tuple[Qualifiers, int]:
        """The qualifiers at the start of the words, and how many words they are."""
        protocol = side = kind = ""
        at = 0
        if words[at].text in (*PROTOCOLS, *TUNNELS, "ether", "vlan"):
            protocol = words[at].text
            at += 1
        if words[at].text in SIDES:
            side, used = _side(words[at:])
            at += used
        if words[at].text in KINDS or (words[at].text in NUMBERED and not (protocol or side)):
            kind = words[at].text
            at += 1
        if side and not kind and words[at].text in RESERVED - {"("}:
            complain(expression, words[at], f"expected an address, or {', '.join(KINDS[:4])}, after `{side}`")
        return cls(protocol, side, kind), at


def _side(words: Sequence[Token]) -> tuple[str, int]:
    """`src`, `dst`, `src or dst`, `src and dst`."""
    three = [word.text for word in words[:3]]
    if len(three) == 3 and three[1] in ("and", "or") and {three[0], three[2]} == set(SIDES):
        return three[1], 3
    return three[0], 1


class Alone(NamedTuple):
    """A test without an operand of its own, and how many more words it took."""

    question: Callable[[Table], Array]
    words: int


def bare(expression: str, qualifiers: Qualifiers, following: Token) -> Alone | None:
    """The test where a protocol stands by itself (`icmp`, `vlan`, `vlan 5`); None where an operand must follow."""
    if qualifiers.side or qualifiers.kind:
        return None
    if qualifiers.protocol in TUNNELS:
        carrier, what, most = TUNNELS[qualifiers.protocol]
        if following.end or following.text in RESERVED:
            return Alone(Tunnel(carrier), 0)
        return Alone(Tunnel(carrier, number(expression, following, what, most)), 1)
    if qualifiers.protocol == "vlan":
        if following.end or following.text in RESERVED:
            return Alone(Vlan(), 0)
        return Alone(Vlan(number(expression, following, "a VLAN id", 4095)), 1)
    if qualifiers.protocol == "ether":
        complain(expression, following, "expected `host` or `proto` after `ether`")
    return Alone(PROTOCOLS[qualifiers.protocol], 0)


def operand(expression: str, qualifiers: Qualifiers, token: Token) -> Callable[[Table], Array]:
    """The test of qualifiers and an operand. Raises UsageError where they don't fit."""
    if token.end or token.text in RESERVED:
        found = "the end" if token.end else repr(token.text)
        complain(expression, token, f"expected {_expected(qualifiers)}, found {found}")
    if qualifiers.protocol == "ether":
        return _ether(expression, qualifiers, token)
    if qualifiers.protocol == "vlan" or qualifiers.protocol in TUNNELS:
        complain(expression, token, f"`{qualifiers.protocol}` is followed by its number or nothing")
    kind = qualifiers.kind or ("net" if "/" in token.text else "host")
    if kind in ("port", "portrange"):
        return _ports(expression, qualifiers, token)
    if kind in NUMBERED:
        return _numbered(expression, kind, token)
    if kind == "proto":
        return _protocol(expression, qualifiers, token)
    if not qualifiers.kind and not qualifiers.side and not _address_like(token.text):
        complain(expression, token, f"expected {_expected(qualifiers)}, found {token.text!r}")
    return _addresses(expression, qualifiers, kind, token)


def _expected(qualifiers: Qualifiers) -> str:
    if qualifiers.kind:
        return f"{NOUNS.get(qualifiers.kind, 'a number')} after `{qualifiers.kind}`"
    if qualifiers.side:
        return f"an address after `{qualifiers.side}`"
    return "a test such as `host 10.0.0.1`, `port 53`, `icmp`, `vlan 5`"


def _address_like(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9]+(\.[0-9.]*)+(/\d+)?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(/\d+)?", text))


def number(expression: str, token: Token, what: str, most: int) -> int:
    """A decimal or 0x number up to `most`."""
    text = token.text
    if not re.fullmatch(r"[0-9]{1,10}|0[xX][0-9a-fA-F]{1,8}", text):
        complain(expression, token, f"expected {what}, found {text!r}")
    value = int(text, 16) if text[:2] in ("0x", "0X") else int(text)
    if value > most:
        complain(expression, token, f"{what} is at most {most}, not {value}")
    return value


def _numbered(expression: str, kind: str, token: Token) -> Length | Echo:
    if kind in ("less", "greater"):
        bound = number(expression, token, "a length in bytes", 2**32 - 1)
        return Length(high=bound) if kind == "less" else Length(low=bound)
    return Echo(kind.replace("-", "_"), number(expression, token, "a number", 0xFFFF))


def _port(expression: str, token: Token, text: str) -> int:
    if text in names.PORTS:
        return names.PORTS[text]
    if not re.fullmatch("[0-9]{1,10}", text):
        complain(expression, token, f"expected a port by number (or a well-known name), found {text!r}")
    if int(text) > 0xFFFF:
        complain(expression, token, f"a port is at most 65535, not {int(text)}")
    return int(text)


def _ports(expression: str, qualifiers: Qualifiers, token: Token) -> Callable[[Table], Array]:
    protocols = PORTED.get(qualifiers.protocol)
    if protocols is None and qualifiers.protocol not in ("ip", "ip6"):
        complain(expression, token, f"{qualifiers.protocol} has no ports")
    low, dash, high = token.text.partition("-") if qualifiers.kind == "portrange" else (token.text, "", "")
    if qualifiers.kind == "portrange" and not dash:
        complain(expression, token, f"expected a range such as 1-1023 after `portrange`, found {token.text!r}")
    ends = sorted(_port(expression, token, text) for text in (low, high if dash else low))
    ports = Ports(ends[0], ends[1], qualifiers.side or "or", protocols or PORTED[""])
    return ports if protocols else _both(PROTOCOLS[qualifiers.protocol], ports)


def _protocol(expression: str, qualifiers: Qualifiers, token: Token) -> Protocol:
    if qualifiers.protocol not in ("", "ip", "ip6") or qualifiers.side:
        complain(expression, token, "`proto` may have `ip` or `ip6` before it, nothing else")
    known = names.PROTOCOL_NUMBERS.get(token.text)
    value = number(expression, token, "a protocol by name or number", 255) if known is None else known
    families = {"ip": (IPV4,), "ip6": (IPV6,)}.get(qualifiers.protocol, (IPV4, IPV6))
    return Protocol(value, families)


def _ether(expression: str, qualifiers: Qualifiers, token: Token) -> Mac | Ethertype:
    if qualifiers.kind == "proto" and not qualifiers.side:
        known = {"ip": IPV4, "ip6": IPV6, "arp": ARP}.get(token.text.lstrip("\\"))
        return Ethertype(number(expression, token, "an ethertype", 0xFFFF) if known is None else known)
    if qualifiers.kind not in ("", "host"):
        complain(expression, token, "expected `host` or `proto` after `ether`")
    if not re.fullmatch(r"[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){5}", token.text):
        complain(expression, token, f"expected a MAC address such as 02:00:00:00:00:01, found {token.text!r}")
    octets = bytes(int(part, 16) for part in token.text.split(":"))
    return Mac(int.from_bytes(octets, "big"), qualifiers.side or "or")


def _addresses(expression: str, qualifiers: Qualifiers, kind: str, token: Token) -> Callable[[Table], Array]:
    text = token.text
    if kind == "host" and "/" in text:
        complain(expression, token, f"{text!r} is a network: write `net` before it")
    partial = re.fullmatch(r"\d{1,3}(\.\d{1,3}){0,2}", text) if kind == "net" else None
    if partial:
        parts = text.split(".")
        text = f"{'.'.join(parts + ['0'] * (4 - len(parts)))}/{8 * len(parts)}"
    if "%" in text:
        complain(expression, token, "an address without its interface (no %) was expected")
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        hint = "; names aren't looked up" if re.search(r"[g-zG-Z]", text) and ":" not in text else ""
        complain(expression, token, f"expected {_expected(qualifiers)}: {error}{hint}")
    question = Addresses(network, qualifiers.side or "or")
    if not qualifiers.protocol:
        return question
    if qualifiers.protocol not in ("ip", "ip6", "arp"):
        advice = f"write `{qualifiers.protocol} and {kind} {token.text}`"
        complain(expression, token, f"`{qualifiers.protocol} {kind}` doesn't exist: {advice}")
    return _both(PROTOCOLS[qualifiers.protocol], question)


@dataclass(frozen=True, slots=True)
class _Both:
    left: Callable[[Table], Array]
    right: Callable[[Table], Array]

    def __call__(self, table: Table) -> Array:
        return both(self.left(table), self.right(table))


def _both(left: Callable[[Table], Array], right: Callable[[Table], Array]) -> _Both:
    return _Both(left, right)
