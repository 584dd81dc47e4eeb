"""The fields of each event as perf shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfpath.lessons.expand import Value, expand

if TYPE_CHECKING:
    from perfpath.readers.perfdata.formats import Format
    from perfpath.tables import Table

ADDRESSES = 1 << 47
"""Numbers from here on are kernel addresses, and shown as such."""


def texts_of(events: Table, formats: dict[str, Format]) -> list[str]:
    """The fields of each row as perf would print them, from the format's print fmt; `field=value` where it can't be."""
    names = events.texts("event")
    columns: dict[str, list[Value]] = {}
    for event, form in formats.items():
        for one in form.fields:
            key = f"{event}.{one.name}"
            if key in events:
                columns[key] = list(events.texts(key)) if one.is_text else events[key].tolist()
    plain = _plain(events) if not formats else []
    found = []
    for row, name in enumerate(names):
        described = formats.get(name or "")
        if described is None:
            found.append(plain[row] if plain else "")
            continue
        form = described
        own = [one.name for one in form.fields if not one.name.startswith("common_")]
        values = {one: columns[f"{name}.{one}"][row] for one in own if f"{name}.{one}" in columns}
        found.append(
            expand(form.print_fmt, values) or " ".join(f"{one}={_shown(value)}" for one, value in values.items())
        )
    return found


def _shown(value: Value) -> str:
    """A value whose print fmt isn't understood."""
    if isinstance(value, bytes):
        return value.hex()
    return f"{value:#x}" if isinstance(value, int) and value > ADDRESSES else str(value)


def _plain(events: Table) -> list[str]:
    """What a text recording has: device, address and length."""
    rows = zip(events.texts("dev"), events["skbaddr"].tolist(), events["len"].tolist(), strict=True)
    return [
        " ".join(
            [
                *([f"dev={dev}"] if dev is not None else []),
                *([f"skbaddr={address:#x}"] if address else []),
                *([f"len={length}"] if length else []),
            ]
        )
        for dev, address, length in rows
    ]
