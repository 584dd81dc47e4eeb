"""One event in depth: its format field by field, its print fmt with a real event, what people get wrong about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfpath.errors import UsageError
from perfpath.lessons.expand import parse
from perfpath.lessons.formats import Note, annotated
from perfpath.lessons.knowledge import Tracepoint, explain, tracepoints
from perfpath.render.lesson_page import Grid, Page, Span, line
from perfpath.tracepoints import perf_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfpath.lessons.material import Material
    from perfpath.readers.perfdata.formats import Format


def event_page(name: str, materials: Sequence[Material], formats: dict[str, Format] | None = None) -> Page:
    """All about one event. formats: more of them, such as this kernel's own.

    Raises UsageError for an event that neither the recordings nor the knowledge have.
    """
    name = name.removeprefix("net:")
    known = {**{e: form for material in materials for e, form in material.formats.items()}, **(formats or {})}
    point = explain(name)
    if name not in known and not point.known:
        raise UsageError(f"no such event here: {name!r}; there are {', '.join(sorted({*known, *tracepoints()}))}")
    page = Page(perf_name(name))
    _explanation(page, point)
    form = known.get(name)
    if form is None:
        page.say(Span("The recorded kernel doesn't have it.", "warn"))
        return page
    page.head("Its format, field by field")
    page.say(f"From /sys/kernel/tracing/events/{form.system}/{form.name}/format, number {form.id} on that kernel:")
    page.add(_fields(annotated(form)))
    _print_fmt(page, form, materials)
    if point.mistakes:
        page.head("Common mistakes")
        page.show([line(Span("- ", "warn"), mistake) for mistake in point.mistakes])
    return page


def _explanation(page: Page, point: Tracepoint) -> None:
    page.say(Span(point.summary, "strong"), ".")
    rows = [
        ("fires in", point.function),
        ("where", point.where),
        ("direction", {"tx": "tx: the device sends", "rx": "rx: the device receives"}.get(point.direction, "")),
        ("ends the call of", point.closes),
        ("kernels", point.versions),
    ]
    if point.known:
        page.show([line(Span(f"{what:17}", "dim"), said) for what, said in rows if said])


def _fields(notes: list[Note]) -> Grid:
    rows = tuple(
        (
            Span(note.name, "dim" if note.common else "name"),
            Span(note.c_type, "dim"),
            Span(f"{note.offset}-{note.offset + note.size - 1}"),
            Span(note.storage, "dim"),
            Span(note.meaning or "?", "dim" if note.common or not note.meaning else ""),
        )
        for note in notes
    )
    return Grid(("field", "C type", "bytes", "read as", "what it is"), rows)


def _print_fmt(page: Page, form: Format, materials: Sequence[Material]) -> None:
    page.head("Its print fmt, with a real event")
    parsed = parse(form.print_fmt)
    shown = form.print_fmt if len(form.print_fmt) < LONG else form.print_fmt[:LONG] + " ..."
    page.show([line(Span(shown, "dim"))])
    found = _real(form, materials)
    if found is None:
        page.say("It didn't fire in any recording here.")
        return
    material, row = found
    if parsed is not None and not parsed.understood:
        page.say("It holds C that isn't understood here; perf would print it, this shows the fields one by one:")
    else:
        page.say(f"filled in with an event of the recording {material.name}:")
    page.show([line(Span(material.text[row], "strong"))])


LONG = 600


def _real(form: Format, materials: Sequence[Material]) -> tuple[Material, int] | None:
    """The first event of this kind in a recording whose format is the same."""
    for material in materials:
        if material.formats.get(form.event) is None or material.formats[form.event].fields != form.fields:
            continue
        for row, name in enumerate(material.names):
            if name == form.event:
                return material, row
    return None
