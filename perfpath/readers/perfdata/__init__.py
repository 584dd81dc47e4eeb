"""perf.data: any version, file or pipe, any byte order, decoded by the recording's own descriptions."""

from perfpath.readers.perfdata.pipe import PipeDecoder

__all__ = ["PipeDecoder"]
