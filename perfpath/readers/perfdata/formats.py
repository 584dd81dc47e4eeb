"""Tracepoint formats: the text the kernel writes of each event's fields (kernel/trace/trace_events.c, f_show)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

from perfpath.errors import InputError
from perfpath.readers.perfdata.symbols import Symbols, symbols_of
from perfpath.tracepoints import HOP_EVENTS

OURS = "perfpath"
"""How the groups of our dynamic events begin (perfpath.capture.tprobes)."""

_FIELD = re.compile(
    r"\s*field:(?P<declaration>.*);\s*offset:(?P<offset>\d+);\s*size:(?P<size>\d+);(?:\s*signed:(?P<signed>\d+);)?"
)
_ARRAY = re.compile(r"^(?P<type>.*?)(?P<name>\w+)\[(?P<length>[^\]]*)\]$")
_PLAIN = re.compile(r"^(?P<type>.*?)(?P<name>\w+)$")
_LARGEST_RAW = 1 << 16  # a record's size is a u16


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a tracepoint.

    offset, size: bytes in RAW. kind: "number"; "array" (fixed, size bytes in place); "dynamic" (__data_loc) and
    "relative" (__rel_loc), where the place holds a u32 that says where the data is. type: as C has it.
    element: bytes of one element of an array where known, else 1.
    """

    name: str
    type: str
    offset: int
    size: int
    signed: bool
    kind: str
    element: int = 1

    @property
    def end(self) -> int:
        """The first byte after the field."""
        return self.offset + self.size

    @property
    def code(self) -> str:
        """The numpy type of a number, without byte order: "u4", "i8"."""
        return f"{'i' if self.signed else 'u'}{self.size}"

    @property
    def is_text(self) -> bool:
        """True for char arrays and dynamic strings."""
        return self.kind != "number" and re.search(r"\bchar\b", self.type) is not None and "unsigned" not in self.type


@dataclass(frozen=True)
class Format:
    """One tracepoint: its id in this recording, and where its fields are."""

    id: int
    system: str
    name: str
    fields: tuple[Field, ...]
    print_fmt: str = field(default="", repr=False)

    @cached_property
    def by_name(self) -> dict[str, Field]:
        """Field by name; of two with one name the first counts."""
        return {f.name: f for f in reversed(self.fields)}

    @property
    def perf_name(self) -> str:
        """`system:name`."""
        return f"{self.system}:{self.name}"

    @property
    def event(self) -> str:
        """The name in the EVENTS table: `net:` is left out, and the group of our own events on its tracepoints."""
        ours = self.is_probe and self.system.startswith(OURS) and self.name in HOP_EVENTS
        return self.name if self.system == "net" or ours else self.perf_name

    @cached_property
    def size(self) -> int:
        """Bytes of RAW that the fixed part takes."""
        return max((f.end for f in self.fields), default=0)

    @cached_property
    def symbols(self) -> dict[str, Symbols]:
        """What the values of enumerations and flags are called, by field."""
        return symbols_of(self.print_fmt)

    @property
    def is_probe(self) -> bool:
        """True for dynamic events (kprobe, tprobe), whose values are raw kernel memory."""
        return any(name in self.by_name for name in ("__probe_ip", "__probe_func"))


def parse_format(source: str, system: str) -> Format:
    """The format of one event from its text.

    Raises InputError where the text has no id or name, or fields that can't be.
    """
    name, number, fields, print_fmt = None, None, [], ""
    lines = source.split("\n")
    for at, line in enumerate(lines):
        if line.startswith("name:"):
            name = line[5:].strip()
        elif line.startswith("ID:"):
            number = _natural(line[3:].strip(), source)
        elif line.startswith("print fmt:"):
            print_fmt = "\n".join(lines[at:])[10:].strip()
            break
        elif match := _FIELD.match(line):
            fields.append(_field(match, source))
    if name is None or number is None:
        raise InputError(f"an event format of {system} without name or ID: {source[:60]!r}")
    return Format(number, system, name, tuple(fields), print_fmt)


def _natural(digits: str, source: str) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        raise InputError(f"a number that can't be in an event format: {digits[:20]!r} in {source[:60]!r}")
    return int(digits)


def _field(match: re.Match[str], source: str) -> Field:
    declaration = match["declaration"].strip()
    offset, size = _natural(match["offset"], source), _natural(match["size"], source)
    if offset + size > _LARGEST_RAW:
        raise InputError(f"a field that lies outside of any event: {declaration[:60]!r} at {offset}, {size} bytes")
    kind = "number"
    if declaration.startswith("__data_loc "):
        kind, declaration = "dynamic", declaration.removeprefix("__data_loc ")
    elif declaration.startswith("__rel_loc "):
        kind, declaration = "relative", declaration.removeprefix("__rel_loc ")
    # "__data_loc char[] name" keeps the brackets with the type; "char comm[16]" has them behind the name
    found = _ARRAY.match(declaration) if kind == "number" else None
    if found:
        return _array(found, offset, size, match["signed"])
    plain = _PLAIN.match(declaration)
    if plain is None:
        raise InputError(f"a field declaration that isn't understood: {declaration[:60]!r}")
    type_ = plain["type"].strip()
    if kind == "number" and size not in (1, 2, 4, 8):
        kind = "array"
    signed = match["signed"] == "1" if match["signed"] else not type_.startswith(("unsigned", "u", "__u", "bool"))
    return Field(plain["name"], type_, offset, size, signed, kind, _element(type_))


def _array(found: re.Match[str], offset: int, size: int, signed: str | None) -> Field:
    length = found["length"].strip()
    count = int(length) if length.isascii() and length.isdigit() and len(length) < 10 else 0
    type_ = found["type"].strip()
    element = size // count if count and size % count == 0 else 1
    return Field(found["name"], f"{type_}[]", offset, size, signed == "1", "array", max(element, 1))


_SIZES = {"u8": 1, "s8": 1, "u16": 2, "s16": 2, "u32": 4, "s32": 4, "u64": 8, "s64": 8, "int": 4, "unsigned int": 4}


def _element(type_: str) -> int:
    base = type_.replace("[]", "").removeprefix("const ").strip()
    return _SIZES.get(base.removeprefix("__"), 1)
