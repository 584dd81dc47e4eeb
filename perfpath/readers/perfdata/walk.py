"""From one record to the next: the chain of record headers, each of which says how long its record is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.readers.perfdata.records import FIRST_OF_PERF, RECORD_HEADER_SIZE, Record

if TYPE_CHECKING:
    import numpy.typing as npt

    from perfpath.readers.perfdata.gather import Offsets


def chain(buffer: npt.NDArray[np.uint8], start: int, end: int, order: str) -> tuple[Offsets, int]:
    """Offsets of the whole records from `start`, and where the walk stopped.

    It stops before `end`, before a record that perf itself wrote (other than FINISHED_ROUND), before one that isn't
    whole, and before a header that can't be. `start` may have any alignment.
    """
    order_u2, order_u4 = np.dtype(order + "u2"), np.dtype(order + "u4")
    found: list[int] = []
    position = start
    view = buffer[:end].data
    little = order == "<"
    del order_u2, order_u4
    while position + RECORD_HEADER_SIZE <= end:
        head = view[position : position + 8]
        kind = int.from_bytes(head[:4], "little" if little else "big")
        size = int.from_bytes(head[6:8], "little" if little else "big")
        if size < RECORD_HEADER_SIZE or position + size > end:
            break
        if kind >= FIRST_OF_PERF and kind != Record.FINISHED_ROUND:
            break
        found.append(position)
        position += size
    return np.array(found, np.int64), position
