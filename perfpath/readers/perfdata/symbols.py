"""Names of values, as an event's own print format has them: drop reasons, states, flags.

The kernel writes them as `__print_symbolic(REC->reason, { 2, "NOT_SPECIFIED" }, ...)` and `__print_flags(REC->flags,
"|", { 0x1, "A" }, ...)`. The numbers differ from kernel to kernel, so only the recording's own text can be right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_CALL = re.compile(r"__print_(?P<kind>symbolic|flags)(?:64|_u64)?\(\s*\(*(?:\([\w ]+\)\s*)?REC->(?P<field>\w+)\)*\s*,")
_DELIMITER = re.compile(r'\s*(?:\(?)"(?P<text>(?:[^"\\]|\\.)*)"\)?\s*,')
_ENTRY = re.compile(r'\s*,?\s*\{\s*(?P<value>[^{}"]{1,200}?)\s*,\s*"(?P<text>(?:[^"\\]|\\.)*)"\s*\}')
_TERM = re.compile(r"(?P<number>0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20})[uUlL]*")
_SHIFT = re.compile(r"(\d+)<<(\d+)")


@dataclass(frozen=True, slots=True)
class Symbols:
    """What the values of a field are called. delimiter: what joins flags; None for an enumeration."""

    texts: dict[int, str]
    delimiter: str | None = None

    def text(self, value: int) -> str:
        """The name of a value, or of all its flags; what has none stays a number, as libtraceevent prints it."""
        if self.delimiter is None:
            return self.texts.get(value, hex(value))
        found, left = [], value
        for bits, name in self.texts.items():
            if bits and left & bits == bits:
                found.append(name)
                left &= ~bits
        if left or not found:
            found.append(self.texts.get(0, "0x0") if not value else hex(left))
        return self.delimiter.join(found)


def symbols_of(print_fmt: str) -> dict[str, Symbols]:
    """Symbols by field, from the text after `print fmt:`. What isn't understood is left out."""
    found: dict[str, Symbols] = {}
    for call in _CALL.finditer(print_fmt):
        position, delimiter = call.end(), None
        if call["kind"] == "flags":
            quoted = _DELIMITER.match(print_fmt, position)
            if quoted is None:
                continue
            position, delimiter = quoted.end(), quoted["text"]
        texts: dict[int, str] = {}
        while entry := _ENTRY.match(print_fmt, position):
            position = entry.end()
            value = _value(entry["value"])
            if value is not None:
                texts.setdefault(value, entry["text"])
        if texts:
            found.setdefault(call["field"], Symbols(texts, delimiter))
    return found


def _value(expression: str) -> int | None:
    """A constant: a number, a shift, or an `|` of those; None for anything else."""
    bare = _TERM.sub(lambda term: str(int(term["number"], 0 if "x" in term["number"].lower() else 10)), expression)
    bare = re.sub(r"[()\s]", "", bare)
    total = 0
    for part in bare.split("|"):
        shift = _SHIFT.fullmatch(part)
        if shift and int(shift[2]) < 64:
            total |= int(shift[1]) << int(shift[2])
        elif re.fullmatch(r"-?\d{1,20}", part):
            total |= int(part)
        else:
            return None
    return total
