"""One JSON document for a whole result: what the recording was, the journeys, and all diagnostics.

    {"version": 1, "recording": {...}, "journeys": [...], "diagnostics": {"lost": 0, "losses": [], "notes": []}}

Journeys are as in `jsonl`, one a line; they are written as they end, so that nothing is held in memory.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from perfpath.render.jsonl import VERSION, chunks, plain_json

if TYPE_CHECKING:
    from perfpath.diagnostics import Diagnostics
    from perfpath.journeys.tracker import Update
    from perfpath.readers.recording import Info
    from perfpath.render.console import Sink
    from perfpath.render.places import Namer
    from perfpath.render.summary import Tally


class DocumentWriter:
    """Writes journeys when they can't grow any more, and the diagnostics at the end."""

    def __init__(self, stream: Sink, namer: Namer, info: Info) -> None:
        self._stream = stream
        self._namer = namer
        self._info = info
        self._begun = False

    def show(self, update: Update) -> None:
        """Write the closed journeys."""
        for text in chunks(update.closed, self._namer, ",\n"):
            self._stream.write(",\n" if self._begun else self._head())
            self._stream.write(text)
            self._begun = True
        self._stream.flush()

    def end(self, tally: Tally, diagnostics: Diagnostics) -> None:  # noqa: ARG002
        """Close the document."""
        if not self._begun:
            self._stream.write(self._head())
        self._stream.write(f'\n], "diagnostics": {json.dumps(plain_json(diagnostics.as_dict()))}}}\n')
        self._stream.flush()

    def _head(self) -> str:
        recording = json.dumps(plain_json(asdict(self._info)))
        return f'{{"version": {VERSION}, "recording": {recording}, "journeys": [\n'
