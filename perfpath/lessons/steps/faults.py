"""What a set of events does wrong, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfpath.render.lesson_page import Line, Span, line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from perfpath.lessons.coverage import Fault, Verdict

LINES = 8


def names(events: Iterable[str]) -> str:
    """Events, listed."""
    return ", ".join(events)


def count(events: Collection[object]) -> str:
    """How many, in letters."""
    return {1: "one", 2: "two", 3: "three", 4: "four"}.get(len(events), str(len(events)))


def verdict_span(verdict: Verdict) -> Span:
    """Whether a set is exact, and if not how many places are wrong."""
    if verdict.exact:
        return Span("every place is shown once and in order", "good")
    parts = [f"{found} {kind}" for kind in ("missed", "doubled", "disordered") if (found := verdict.count(kind))]
    return Span(f"not exact: {', '.join(parts)}", "bad")


def fault_lines(verdict: Verdict) -> list[Line]:
    """The faults, those of one kind at one place of a scenario together; the first few of them."""
    together: dict[tuple[str, str, str], tuple[Fault, int]] = {}
    for fault in verdict.faults:
        place = fault.shape.places[fault.place]
        key = (fault.kind, fault.shape.scenario, f"{place.direction} {place.dev}")
        first, packets = together.get(key, (fault, 0))
        together[key] = first, packets + fault.shape.count
    lines = [_line(key, fault, packets) for key, (fault, packets) in together.items()]
    if len(lines) > LINES:
        lines = [*lines[:LINES], line(Span(f"... and {len(lines) - LINES} more kinds", "dim"))]
    return lines


def _line(key: tuple[str, str, str], fault: Fault, packets: int) -> Line:
    kind, scenario, place = key
    return line(
        Span(f"{kind:10} ", "bad"),
        f"{scenario}: {place}",
        Span(f"  {_why(fault)}", "dim"),
        Span(f"  ({packets} packet{'s' if packets != 1 else ''})", "dim"),
    )


def _why(fault: Fault) -> str:
    if fault.kind == "doubled":
        return "by " + (" and ".join(fault.events) if len(set(fault.events)) > 1 else f"{fault.events[0]} twice")
    if fault.kind == "disordered":
        return f"{names(dict.fromkeys(fault.events))} shows it after a place that came later"
    others = dict.fromkeys(event for event, place in fault.shape.sequence if place == fault.place)
    return f"only {names(others)} would show it"
