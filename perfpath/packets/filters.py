"""Filters by what packets say, as options of a command line: each is one match expression or more."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfpath.errors import UsageError
from perfpath.packets.describe import decoded
from perfpath.packets.levels import quoted
from perfpath.packets.match import parse
from perfpath.packets.operands import PROTOCOLS
from perfpath.packets.tokens import ExpressionError
from perfpath.packets.truth import either

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfpath.packets.match import Match
    from perfpath.tables import Array

_END = re.compile(r"\[([0-9a-fA-F:.]+)\](?::(\w[\w-]*))?|([^\[\]:]+)(?::(\w[\w-]*))?|([0-9a-fA-F:.]*::?[0-9a-fA-F:.]*)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One filter. matches: one of these must hold. errors: an ICMP error counts as the packet that it is about, too."""

    matches: tuple[Match, ...]
    errors: bool = False

    def truth(self, packets: Array) -> Array:
        """uint8[n] of truth.FALSE, UNKNOWN, TRUE for PACKET[n] (perfpath.firstbytes)."""
        found = decoded(packets)
        answer = either(*(match.of(found) for match in self.matches))
        if self.errors:
            about, rows = quoted(found)
            if len(rows):
                answer[rows] = either(answer[rows], *(match.truth(about) for match in self.matches))
        return answer


def wanted(option: str, values: Sequence[str]) -> Wanted:
    """The filter of an option (`--host`) that was given so often. Raises UsageError that says what is wrong with it."""
    expressions = []
    for value in values:
        if option != "--match" and (not value.strip() or any(char.isspace() or char in "()!" for char in value)):
            raise UsageError(f"{option} {value!r}: one word is expected; --match takes whole expressions")
        try:
            expressions.append(parse(_EXPRESSIONS[option](value)))
        except UsageError as error:
            if option == "--match":
                raise
            problem = error.problem if isinstance(error, ExpressionError) else str(error)
            raise UsageError(f"{option} {value}: {problem}") from error
    return Wanted(tuple(expressions), errors=option == "--flow")


def _port(value: str) -> str:
    low, dash, high = value.partition("-")
    return f"portrange {value}" if dash and low.isdigit() and high.isdigit() else f"port {value}"


def _protocol(value: str) -> str:
    return value if value in PROTOCOLS else f"proto {value}"


def _flow(value: str) -> str:
    """`A-B`, `A:PORT-B:PORT`, `[A6]:PORT-[B6]:PORT`: both directions."""
    ends = [_end(part) for part in value.split("-")] if value.count("-") == 1 else []
    if len(ends) != 2:
        raise UsageError("a flow is two ends, such as 10.0.0.1-10.0.0.2, 10.0.0.1:40000-10.0.0.2:80, [::1]:22-[::1]:99")
    return " or ".join(f"({_between(*pair)})" for pair in (ends, ends[::-1]))


def _between(source: tuple[str, str], target: tuple[str, str]) -> str:
    tests = []
    for side, (address, port) in (("src", source), ("dst", target)):
        tests.append(f"{side} host {address}")
        if port:
            tests.append(f"{side} port {port}")
    return " and ".join(tests)


def _end(text: str) -> tuple[str, str]:
    found = _END.fullmatch(text)
    if found is None:
        raise UsageError(
            f"{text!r} is no end of a flow: an address, with :PORT where it has one, IPv6 in brackets then"
        )
    return found[1] or found[3] or found[5], found[2] or found[4] or ""


_EXPRESSIONS: dict[str, Callable[[str], str]] = {
    "--match": str,
    "--host": lambda value: f"host {value}",
    "--net": lambda value: f"net {value}",
    "--port": _port,
    "--proto": _protocol,
    "--icmp-id": lambda value: f"icmp-id {value}",
    "--flow": _flow,
}
OPTIONS = tuple(_EXPRESSIONS)
