"""Recordings of different kernels side by side: events that appeared, disappeared, or changed their fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfpath.lessons.coverage import fired
from perfpath.lessons.knowledge import explain
from perfpath.render.lesson_page import Grid, Line, Page, Span, line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perfpath.lessons.material import Material
    from perfpath.readers.perfdata.formats import Format


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one event. kind: "appeared", "disappeared", "fields" or "print fmt"."""

    event: str
    kind: str
    details: tuple[str, ...] = ()


def changes(before: Mapping[str, Format], after: Mapping[str, Format]) -> list[Change]:
    """From one kernel's formats to another's. Numbers of events and offsets of fields mean nothing: not compared."""
    found = [Change(event, "disappeared") for event in sorted(set(before) - set(after))]
    found += [Change(event, "appeared") for event in sorted(set(after) - set(before))]
    for event in sorted(set(before) & set(after)):
        details = _fields(before[event], after[event])
        if details:
            found.append(Change(event, "fields", tuple(details)))
        elif before[event].print_fmt != after[event].print_fmt:
            found.append(Change(event, "print fmt"))
    return found


def _fields(before: Format, after: Format) -> list[str]:
    old, new = before.by_name, after.by_name
    details = [f"{name} is gone" for name in old if name not in new]
    details += [f"{name} ({new[name].type}) is new" for name in new if name not in old]
    for name in old:
        if name in new and (old[name].type, old[name].size) != (new[name].type, new[name].size):
            details.append(
                f"{name} was {_sized(old[name].type, old[name].size)}, is {_sized(new[name].type, new[name].size)}"
            )
    return details


def _sized(c_type: str, size: int) -> str:
    return f"{c_type} of {size} bytes"


def comparison(materials: Sequence[Material]) -> Page:
    """A page: what each recording was made on, what changed from the first to each other, and what fired where."""
    page = Page("Recordings compared")
    rows = tuple(
        (
            Span(str(number)),
            Span(material.name, "strong"),
            Span(material.info.kernel or "?"),
            Span(material.info.perf_version or "?"),
            Span(str(len(material.names))),
        )
        for number, material in enumerate(materials, start=1)
    )
    page.add(Grid(("", "recording", "kernel", "perf", "events"), rows))
    first = materials[0]
    for number, other in enumerate(materials[1:], start=2):
        page.head(f"From recording 1 to {number}")
        if not first.formats or not other.formats:
            page.say(Span("One of them is text and has no formats: only what fired can be compared.", "warn"))
            continue
        lines = [_line(change) for change in changes(_net(first), _net(other))]
        if lines:
            page.show(lines)
        else:
            page.say("Both describe the same events, with the same fields.")
    page.head("What fired")
    page.add(_fired(materials))
    return page


def _net(material: Material) -> dict[str, Format]:
    return {event: form for event, form in material.formats.items() if form.system == "net"}


def _line(change: Change) -> Line:
    style = {"appeared": "good", "disappeared": "bad"}.get(change.kind, "warn")
    point = explain(change.event)
    said = "; ".join(change.details) or (point.versions if change.kind in {"appeared", "disappeared"} else "")
    return line(Span(f"{change.kind:12}", style), Span(change.event, "name"), f"  {said}")


def _fired(materials: Sequence[Material]) -> Grid:
    events = list(dict.fromkeys(event for material in materials for event in fired(material.shapes)))
    header = ("event", *(f"{number}: {material.name}" for number, material in enumerate(materials, start=1)))
    rows = tuple(
        (Span(event, "name"), *(Span(str(material.names.count(event) or "·")) for material in materials))
        for event in events
    )
    return Grid(header, rows, centered=frozenset(range(1, len(header))))
