"""What comes from a running perf, taken as it comes: its stream, its own words, its readiness."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections import deque
from typing import TYPE_CHECKING

from perfpath.capture.record import PIPE_BYTES
from perfpath.capture.words import Words

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfpath.capture.backend import Backend

_LAST_WORDS_SECONDS = 1.0


class Stream:
    """One backend and all its descriptors; ended_at is the monotonic time of the end of its stream, None before it."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.words = Words()
        self.ended_at: float | None = None
        self._chunks: deque[bytes] = deque()
        self._selector = selectors.DefaultSelector()
        self._register(backend.out, self._take)
        if backend.err is not None:
            self._register(backend.err, self._listen)
        self._register(backend.report, lambda _: backend.hear())

    def watch(self, fd: int) -> None:
        """Let `pump` return when this descriptor (a pidfd) becomes readable, once."""
        self._selector.register(fd, selectors.EVENT_READ, lambda _: False)

    def pump(self, timeout: float) -> None:
        """Wait for something to happen, and take what did."""
        for key, _ in self._selector.select(timeout):
            if not key.data(key.fd):  # its end
                self._selector.unregister(key.fd)

    def taken(self) -> bytes:
        """The bytes of the stream that came since the last call."""
        data = b"".join(self._chunks)
        self._chunks.clear()
        return data

    def last_words(self) -> list[str]:
        """What a perf that has ended said."""
        self.backend.ask_end()
        limit = time.monotonic() + _LAST_WORDS_SECONDS
        while self._selector.get_map() and time.monotonic() < limit:
            self.pump(_LAST_WORDS_SECONDS)
        self.words.feed(b"")
        return self.words.lines

    def end(self) -> None:
        """See perf ended, by force where its stream hasn't, and close everything."""
        self._selector.close()
        if self.ended_at is None:
            self.backend.process.send(signal.SIGKILL)
        self.backend.process.wait()
        self.backend.close()

    def _register(self, fd: int, action: Callable[[int], bool]) -> None:
        os.set_blocking(fd, False)
        self._selector.register(fd, selectors.EVENT_READ, action)

    def _take(self, fd: int) -> bool:
        data = os.read(fd, PIPE_BYTES)
        if not data:
            self.ended_at = time.monotonic()
            return False
        if self.backend.err is None:
            data = self.words.rest() + data if self.backend.ready else self.words.sift(data)
        if data:
            self._chunks.append(data)
        return True

    def _listen(self, fd: int) -> bool:
        data = os.read(fd, PIPE_BYTES)
        self.words.feed(data)
        return bool(data)
