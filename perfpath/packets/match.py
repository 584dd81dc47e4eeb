"""Match expressions, `icmp and host 172.17.0.2 and not port 53`: the part of tcpdump's language that people use.

    host ADDRESS, net CIDR | net 10.1 | net N mask M     one end; `src`, `dst`, `src or dst`, `src and dst` before it
    port N | NAME, portrange A-B                         likewise; `tcp`, `udp`, `sctp` before it narrow it
    ip ip6 arp icmp icmp6 tcp udp sctp                   protocols; `proto N | NAME` for others, `ether proto N`
    vlan [ID], ether host MAC, less N, greater N         `less` and `greater` include N
    vxlan [VNI], geneve [VNI], gre [KEY]                 wrapped in such a tunnel
    icmp-id N, icmp-seq N                                ours, not tcpdump's
    and && or || not ! ( )

As in tcpdump, `not` binds most and `and` and `or` equally, from left to right; words before an operand hold for the
next operands too (`port 80 or 443`). Not as in tcpdump: a VLAN tag, and IPv6's extension headers, are looked through
without being named; `vlan ID` matches either of two tags; host names aren't looked up.

Tunnels are looked into: a packet fits where what is wrapped fits, or what is around it, each taken for itself (one of
them must say all of `host A and port B`). `not icmp` lets through what has no ICMP anywhere. `vlan`, `vxlan`, `geneve`
and `gre` ask about the packet as a whole, so `vxlan 42 and icmp` is ICMP in that network. What an ICMP error quotes
isn't asked.

What wasn't captured is unknown, and unknown neither matches nor matches under `not` (truth.py). tcpdump drops a
packet whose filter reaches behind the captured bytes; we keep it where what is known decides (`icmp or port 53`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from perfpath.packets.levels import layered
from perfpath.packets.operands import Qualifiers, bare, operand
from perfpath.packets.tokens import Token, complain, tokens
from perfpath.packets.truth import TRUE, anywhere, both, either, no

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfpath.packets.schema import Packets
    from perfpath.tables import Array, Table

DEEPEST = 100
"""Parentheses and `not` inside each other."""


@dataclass(frozen=True, slots=True)
class Match:
    """A compiled expression."""

    expression: str
    question: Callable[[Table], Array]

    def of(self, packets: Packets) -> Array:
        """uint8[n] of truth.FALSE, UNKNOWN, TRUE for packets with all their levels."""
        table = layered(packets)
        answer: Array = anywhere(table, self.question(table))[: len(packets.outer)]
        return answer

    def truth(self, table: Table) -> Array:
        """The same for the rows of a PACKETS table, one level each."""
        return self.question(table)

    def select(self, table: Table) -> Array:
        """bool[n]: the rows that surely match."""
        selected: Array = self.question(table) == TRUE
        return selected


def parse(expression: str) -> Match:
    """Compile an expression. Raises UsageError that says where, and what was expected there."""
    parser = _Parser(expression, tokens(expression))
    question = parser.alternatives(0)
    if not parser.next.end:
        expected = "`and` or `or`" if parser.next.text != ")" else "no `)` without its `(`"
        complain(expression, parser.next, f"expected {expected}, not {parser.next.text!r}")
    return Match(expression, question)


@dataclass(slots=True)
class _Parser:
    """Recursive descent over the words; `last` are the qualifiers that hold for operands without any."""

    expression: str
    words: list[Token]
    at: int = 0
    last: Qualifiers = field(default_factory=Qualifiers)

    @property
    def next(self) -> Token:
        return self.words[self.at]

    def take(self) -> Token:
        """The next word, gone past; the end stays."""
        token = self.next
        self.at += not token.end
        return token

    def alternatives(self, depth: int) -> Callable[[Table], Array]:
        """Terms joined by `and` and `or`, which bind equally."""
        question = self.term(depth)
        while self.next.text in ("and", "or"):
            combine = both if self.take().text == "and" else either
            question = _Joined(combine, question, self.term(depth))
        return question

    def term(self, depth: int) -> Callable[[Table], Array]:
        """`not` a term, an expression in parentheses, or one test."""
        if depth > DEEPEST:
            complain(self.expression, self.next, f"more than {DEEPEST} parentheses or `not` inside each other")
        if self.next.text == "not":
            self.take()
            return _Not(self.term(depth + 1))
        if self.next.text == "(":
            return self.group(depth)
        return self.test(depth)

    def group(self, depth: int) -> Callable[[Table], Array]:
        """What stands in parentheses."""
        opened = self.take()
        question = self.alternatives(depth + 1)
        if self.next.text != ")":
            problem = f"expected `)` for the `(` at character {opened.at + 1}"
            complain(self.expression, self.next, problem if self.next.end else f"{problem}, not {self.next.text!r}")
        self.take()
        return question

    def test(self, depth: int) -> Callable[[Table], Array]:
        """One test: qualifiers and an operand; or a protocol by itself; or an operand to which the last ones apply."""
        qualifiers, used = Qualifiers.read(self.expression, self.words[self.at :])
        self.at += used
        if not used:
            return operand(self.expression, self.last, self.operand())
        if (alone := bare(self.expression, qualifiers, self.next)) is not None:
            self.at += alone.words
            self.last = Qualifiers()
            return alone.question
        self.last = qualifiers
        return self.group(depth) if self.next.text == "(" else operand(self.expression, qualifiers, self.operand())

    def operand(self) -> Token:
        """The next word, with `mask M` drawn into a network."""
        token = self.take()
        if self.last.kind == "net" and self.next.text == "mask":
            self.take()
            return Token(f"{token.text}/{self.take().text}", token.at)
        return token


@dataclass(frozen=True, slots=True)
class _Joined:
    combine: Callable[..., Array]
    left: Callable[[Table], Array]
    right: Callable[[Table], Array]

    def __call__(self, table: Table) -> Array:
        return self.combine(self.left(table), self.right(table))


@dataclass(frozen=True, slots=True)
class _Not:
    inside: Callable[[Table], Array]

    def __call__(self, table: Table) -> Array:
        return no(anywhere(table, self.inside(table)))
