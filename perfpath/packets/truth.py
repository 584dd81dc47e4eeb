"""Three-valued logic (Kleene's) in arrays: a header that was cut off answers neither yes nor no.

FALSE < UNKNOWN < TRUE, so `and` is the minimum, `or` the maximum, `not` the distance from TRUE. As in SQL, only TRUE
selects: `port 53` and `not port 53` both leave out a packet whose ports nobody saw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from perfpath.tables import Array, Table

FALSE, UNKNOWN, TRUE = np.uint8(0), np.uint8(1), np.uint8(2)


def truth(value: Array, known: Array | bool = True) -> Array:
    """uint8[n] of FALSE, TRUE, and UNKNOWN where it isn't known."""
    answer = value.astype(np.uint8) << 1
    return answer if known is True else np.where(known, answer, UNKNOWN)


def equal(left: Array, right: Array | int, missing: int = -1) -> Array:
    """Whether two columns agree, UNKNOWN where one of them is missing."""
    known = left != missing
    if not isinstance(right, int):
        known = known & (right != missing)
    return truth(left == right, known)


def both(*answers: Array) -> Array:
    """`and`."""
    least: Array = np.minimum.reduce(answers)
    return least


def either(*answers: Array) -> Array:
    """`or`."""
    most: Array = np.maximum.reduce(answers)
    return most


def no(answer: Array) -> Array:
    """`not`."""
    return TRUE - answer


def anywhere(table: Table, answer: Array) -> Array:
    """For each level of a packet (levels.layered) the best answer that any level of that packet gave."""
    if "packet" not in table:
        return answer
    packet = table["packet"]
    count = int(packet.max(initial=-1)) + 1
    best = answer[:count].copy()
    np.maximum.at(best, packet[count:], answer[count:])
    everywhere: Array = best[packet]
    return everywhere
