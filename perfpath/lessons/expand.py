"""A tracepoint's print fmt, filled in with the values of a real event: what perf script and trace_pipe show.

The print fmt is C: a format string and its arguments. Those of the network's tracepoints are few: a field, a string,
a number with names. Anything else is left to the reader as `field=value`, rather than guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = int | str | bytes | None

_FIELD = re.compile(r"^(?:\(\s*\w[\w\s]*\)\s*)?REC->(\w+)$")
_TEXT = re.compile(r"^__get_str\((\w+)\)$")
_SYMBOLIC = re.compile(r"^__print_symbolic\(\s*REC->(\w+)\s*,(.*)\)$", re.DOTALL)
_PAIR = re.compile(r'\{\s*(-?(?:0x)?[0-9a-fA-F]+)(?:U?L?L?)\s*,\s*"((?:[^"\\]|\\.)*)"\s*\}')
_DIRECTIVE = re.compile(r"%(?P<flags>[#0\- +]*)(?P<width>\d*)(?:\.\d+)?(?:hh|h|ll|l|z|j)?(?P<kind>[diuxXsc]|p[\w]*|%)")


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a print fmt. field: the field it shows, "" where it isn't a plain one. names: of its values."""

    source: str
    field: str
    names: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PrintFormat:
    """A print fmt taken apart."""

    template: str
    arguments: tuple[Argument, ...]

    @property
    def understood(self) -> bool:
        """Every argument is one that can be filled in."""
        return all(argument.field for argument in self.arguments)


def parse(print_fmt: str) -> PrintFormat | None:
    """Take a print fmt apart; None where it doesn't begin with a format string."""
    parts = _split(print_fmt)
    if not parts or not (parts[0].startswith('"') and parts[0].endswith('"')):
        return None
    template = re.sub(r'"\s*"', "", parts[0])[1:-1]
    return PrintFormat(template.replace('\\"', '"').replace("\\n", " "), tuple(map(_argument, parts[1:])))


def expand(print_fmt: str, values: Mapping[str, Value]) -> str | None:
    """The line for these values of fields; None where the print fmt holds something that isn't understood."""
    parsed = parse(print_fmt)
    if parsed is None or not parsed.understood:
        return None
    arguments = iter(parsed.arguments)
    missing = False

    def fill(match: re.Match[str]) -> str:
        nonlocal missing
        if match["kind"] == "%":
            return "%"
        argument = next(arguments, None)
        value = None if argument is None else values.get(argument.field)
        if argument is None or value is None:
            missing = True
            return ""
        return _shown(match, argument, value)

    text = _DIRECTIVE.sub(fill, parsed.template)
    return None if missing else text


def _shown(match: re.Match[str], argument: Argument, value: Value) -> str:
    kind = match["kind"]
    if argument.names and isinstance(value, int):
        return dict(argument.names).get(value, f"{value:#x}")
    if isinstance(value, bytes):
        return value.hex(" ")
    if isinstance(value, str):
        return value
    number = value or 0
    if kind.startswith("p"):
        return f"{number:#x}" if number else "(nil)"
    return _number(kind, match["flags"], match["width"], number)


def _number(kind: str, flags: str, width: str, number: int) -> str:
    if kind in "xX":
        digits = f"{number & 0xFFFFFFFFFFFFFFFF if number < 0 else number:{kind}}"
        prefix = "0x" if "#" in flags and number else ""
    else:
        digits, prefix = str(number), ""
    if "-" in flags:
        return (prefix + digits).ljust(int(width or 0))
    if "0" in flags:
        return prefix + digits.rjust(int(width or 0) - len(prefix), "0")
    return (prefix + digits).rjust(int(width or 0))


def _argument(source: str) -> Argument:
    if match := _FIELD.match(source) or _TEXT.match(source):
        return Argument(source, match[1])
    if match := _SYMBOLIC.match(source):
        return Argument(source, match[1], tuple((int(number, 0), name) for number, name in _PAIR.findall(match[2])))
    return Argument(source, "")


def _split(source: str) -> list[str]:
    """Split C arguments at the commas that stand outside of strings and brackets."""
    parts, depth, quoted, start, at = [], 0, False, 0, 0
    while at < len(source):
        char = source[at]
        if char == "\\" and quoted:
            at += 1
        elif char == '"':
            quoted = not quoted
        elif not quoted and char in "([{":
            depth += 1
        elif not quoted and char in ")]}":
            depth -= 1
        elif not quoted and char == "," and depth == 0:
            parts.append(source[start:at].strip())
            start = at + 1
        at += 1
    parts.append(source[start:].strip())
    return [part for part in parts if part]
