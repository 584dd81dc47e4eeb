"""perf.data: any version, file or pipe, any byte order, decoded by the recording's own descriptions."""

from perfpath.readers.perfdata.pipe import PipeDecoder
from perfpath.readers.perfdata.source import FileSource, PipeSource, open_perfdata, open_pipe

__all__ = ["FileSource", "PipeDecoder", "PipeSource", "open_perfdata", "open_pipe"]
