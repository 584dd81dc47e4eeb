"""EVENTS written down by hand, one short line each: `net_dev_queue lo A 98`."""

from __future__ import annotations

import numpy as np

from perfpath import schema
from perfpath.tables import Names, Table

STEP_NS = 1000


def events_of(text: str) -> Table:
    """Lines of `event dev address length`, each with any of cpu=N, rc=N, +NS (a pause before it).

    dev and address may be `-`; an address is a letter, or several; length may be left out.
    """
    names = {column: Names() for column in ("event", "dev", "comm")}
    rows: list[dict[str, int]] = []
    now = 0
    for line in filter(None, (line.strip() for line in text.splitlines())):
        words = [word for word in line.split() if "=" not in word and not word.startswith("+")]
        given = dict(word.split("=") for word in line.split() if "=" in word)
        now += STEP_NS + sum(int(word) for word in line.split() if word.startswith("+"))
        event, dev, address, length, *_ = [*words, "-", "-", "0"]
        rows.append(
            {
                "time_ns": now,
                "cpu": int(given.get("cpu", 0)),
                "tid": int(given.get("tid", 1)),
                "event": names["event"].code(event),
                "dev": -1 if dev == "-" else names["dev"].code(dev),
                "skbaddr": 0 if address == "-" else sum(ord(char) << 8 * at for at, char in enumerate(address)),
                "len": int(length) if length.isdigit() else 0,
                "rc": int(given.get("rc", schema.UNKNOWN_RC)),
            }
        )
    columns = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    return Table.filled(schema.EVENTS, len(rows), names, **columns)
