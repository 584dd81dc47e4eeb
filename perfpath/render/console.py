"""Where output goes: a terminal with colours, a pipe, or a file on a disk that may be full."""

from __future__ import annotations

import io
import os
from typing import IO, TYPE_CHECKING, TextIO, cast

from perfpath.errors import OutputError
from perfpath.escape import visible

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 100


class Sink:
    """A text stream as the renderers need it: writing to it fails in two ways only.

    BrokenPipeError where the reader has gone (not an error of ours: end quietly), OutputError for the rest. After
    either, the stream's descriptor leads to nowhere, so that what is still buffered can't fail again at exit.
    Characters that the stream's encoding lacks become backslash escapes.
    """

    def __init__(self, stream: TextIO) -> None:
        self.encoding = stream.encoding or "utf-8"
        name = visible(str(getattr(stream, "name", "the output")))
        self._name = {"<stdout>": "standard output", "<stderr>": "standard error"}.get(name, name)
        if isinstance(getattr(stream, "buffer", None), io.RawIOBase):
            # PYTHONUNBUFFERED: such a stream drops, silently, what a short write leaves over
            stream = open(stream.fileno(), "w", encoding=self.encoding, newline="", closefd=False)  # noqa: SIM115
        self.stream = stream

    def write(self, text: str) -> int:
        """Write all of the text."""
        try:
            return self.stream.write(text)
        except UnicodeEncodeError:
            return self.write(text.encode(self.encoding, "backslashreplace").decode(self.encoding))
        except OSError as error:
            raise self._failed(error) from error

    def flush(self) -> None:
        """Hand on what is buffered."""
        try:
            self.stream.flush()
        except OSError as error:
            raise self._failed(error) from error

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self.stream.isatty()

    def fileno(self) -> int:
        """The descriptor; raises OSError where there is none."""
        return self.stream.fileno()

    def _failed(self, error: OSError) -> Exception:
        try:
            descriptor = self.stream.fileno()
        except OSError:
            pass
        else:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
        if isinstance(error, BrokenPipeError):
            return BrokenPipeError(*error.args)
        return OutputError(f"can't write to {self._name}: {error.strerror}; what was written may be cut short")


def console(sink: Sink, width: int | None = None) -> Console:
    """A rich console on a stream that prints what it is given: no markup, no emoji, no highlighting, no wrapping.

    Colours: on terminals, and where FORCE_COLOR is set; never where NO_COLOR is, nor on dumb terminals.
    Width: the given one, else COLUMNS, else the terminal's; PIPE_WIDTH where it is none.
    """
    from rich.console import Console

    class Quiet(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich would end the program here, while it still has a summary to print elsewhere

    columns = os.environ.get("COLUMNS", "")
    if width is None and not (columns.isdigit() and int(columns)) and not sink.isatty():
        width = PIPE_WIDTH
    dull = bool(os.environ.get("NO_COLOR"))
    return Quiet(
        file=cast("IO[str]", sink),
        width=width,
        color_system=None if dull else "auto",
        force_jupyter=False,
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=True,
    )
