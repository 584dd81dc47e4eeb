"""Many lines of one shape at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from perfpath.readers.text.chunk import Chunk
    from perfpath.readers.text.rows import Rows
    from perfpath.tables import Array, Names


class Bulk:
    """Fills rows."""

    def __init__(self, names: dict[str, Names]) -> None:
        self._names = names

    def fill(self, chunk: Chunk, rows: Rows) -> Array:  # noqa: ARG002
        """Fill what can be filled at once; returns the rows that are left to do line by line."""
        return np.arange(len(chunk))
