"""Step 1: what can be traced on this kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfpath.lessons.knowledge import explain
from perfpath.render.lesson_page import Grid, Page, Span

if TYPE_CHECKING:
    from perfpath.lessons.lesson import Lesson

TITLE = "1. What can be traced"


def available(lesson: Lesson) -> Page:
    """The tracepoints of the recorded kernel, each with what it tells and what it carries."""
    page = Page(TITLE)
    formats = {
        event: form for material in lesson.materials for event, form in material.formats.items() if form.system == "net"
    }
    kernels = sorted({material.info.kernel for material in lesson.materials if material.info.kernel})
    page.say(
        "A tracepoint is a place in the kernel's source where somebody may listen. The kernel describes each of them "
        "in a file: /sys/kernel/tracing/events/net/*/format. These are the ones about network devices",
        f" on Linux {', '.join(kernels)}." if kernels else ".",
    )
    names = sorted(formats) or sorted(
        {name for material in lesson.materials for name in material.names if ":" not in name}
    )
    if not formats:
        page.say(
            Span("There are no formats of net:* events in this recording: only those that fired are known.", "warn")
        )
    page.add(
        Grid(
            ("event", "", "fires in", "what it tells", "fields"),
            tuple(_row(name, _carries(formats, name)) for name in names),
            centered=frozenset({1}),
        )
    )
    unknown = [name for name in names if not explain(name).known]
    if unknown:
        page.say(Span(f"Nothing is written here about {', '.join(unknown)}: newer than this lesson.", "warn"))
    page.say("One of them in depth: ", Span("perfpath discover --event netif_rx", "strong"))
    return page


def _row(name: str, carries: str) -> tuple[Span, ...]:
    point = explain(name)
    return (
        Span(name, "name"),
        Span({"tx": "->", "rx": "<-"}.get(point.direction, ""), "strong"),
        Span(point.function or "?", "dim"),
        Span(point.summary),
        Span(carries, "dim"),
    )


def _carries(formats: object, name: str) -> str:
    """How much an event says: whether it names a packet and a device, and how many fields more."""
    form = formats.get(name) if isinstance(formats, dict) else None
    if form is None:
        return ""
    own = [field.name for field in form.fields if not field.name.startswith("common_")]
    keys = [shown for field, shown in (("skbaddr", "skbaddr"), ("name", "dev"), ("len", "len")) if field in own]
    more = len(own) - len(keys)
    return " ".join([*keys, *([f"+{more}"] if more else [])])
