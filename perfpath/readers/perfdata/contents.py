"""What a recording is of, where no event of it shows packets on their way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfpath.tracepoints import HOP_EVENTS, MAIN, perf_name

if TYPE_CHECKING:
    from perfpath.readers.perfdata.attr import Attr
    from perfpath.readers.perfdata.state import State

DUMMY = "dummy"
_HARDWARE = "cycles instructions cache-references cache-misses branches branch-misses bus-cycles"
_HARDWARE += " stalled-cycles-frontend stalled-cycles-backend ref-cycles"
_SOFTWARE = "cpu-clock task-clock page-faults context-switches cpu-migrations minor-faults major-faults"
_SOFTWARE += f" alignment-faults emulation-faults {DUMMY} bpf-output cgroup-switches"
_NAMED = {
    0: _HARDWARE.split(),
    1: _SOFTWARE.split(),
}  # PERF_TYPE_HARDWARE, PERF_TYPE_SOFTWARE: names by config, as perf prints them
_KINDS = {3: "a cache event", 4: "a raw event", 5: "a breakpoint"}  # PERF_TYPE_HW_CACHE, _RAW, _BREAKPOINT
_SHOWN = 8  # names are enough to know what it is
_PMU_SHIFT = 32  # on machines with several kinds of cores the PMU stands in config's upper half


def note_contents(state: State) -> None:
    """Tell what a recording that is read to its end has, unless that is packets or can't be known."""
    forms = [state.formats.get(number) for number in sorted(state.tracepoints)]
    if not state.attrs or None in forms or HOP_EVENTS.keys() & set(state.info.events):
        return
    found = [*(form.perf_name for form in forms if form is not None), *others(state)]
    more = len(found) - _SHOWN
    found[_SHOWN:] = [f"and {more} more"] if more > 0 else []
    state.diagnostics.note(
        "no-packets",
        "none of the recorded events shows packets on their way through interfaces: "
        f"it is of {', '.join(found) or 'nothing'}",
        advice=f"record {', '.join(perf_name(event.name) for event in MAIN)}, as perfpath record does",
    )


def others(state: State) -> tuple[str, ...]:
    """Names of the events that aren't tracepoints: those perf gave them, or what their attrs are."""
    seen = (attr for attr in state.attrs if attr.tracepoint not in state.tracepoints)
    return state.info.others or tuple(dict.fromkeys(name for name in map(_name, seen) if name != DUMMY))


def _name(attr: Attr) -> str:
    if attr.tracepoint is not None:
        return f"tracepoint {attr.tracepoint} without its fields"
    names = _NAMED.get(attr.type, [])
    config = attr.config & ((1 << _PMU_SHIFT) - 1)
    if config < len(names):
        return names[config]
    return _KINDS.get(attr.type, f"an event of type {attr.type}")
