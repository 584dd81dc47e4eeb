"""Verdicts of the user's own nftables trace rules, while tracing: listened to in each namespace, and kept."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from perfpath.capture.nftrace import Listener
from perfpath.netns.enter import within

if TYPE_CHECKING:
    from typing import BinaryIO

    from perfpath.capture.directory import CaptureDirectory
    from perfpath.commands.watching import Watch
    from perfpath.diagnostics import Diagnostics

FILE = "verdicts.jsonl"
SECONDS = 5.0  # nft gets to list a chain


class Heard:
    """Listens in all namespaces known, in step with them; a rule's text is asked of nft when it is first heard of."""

    def __init__(self, watch: Watch, diagnostics: Diagnostics) -> None:
        self._watch, self._diagnostics = watch, diagnostics
        self._listener = Listener()
        self._paths: dict[int, str] = {}
        self._rules: dict[tuple[int, str, str, str], dict[int, str]] = {}
        self._version = -1
        self._file: BinaryIO | None = None
        self._follow()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        if self._listener.lost:
            self._diagnostics.note(
                "verdicts-lost", "verdicts of trace rules that found no room", count=self._listener.lost
            )
        if self._file is not None:
            self._file.close()

    def keep(self, directory: CaptureDirectory) -> None:
        """Write all from now on into a capture."""
        self._file = directory.file(FILE)

    def take(self) -> list[dict[str, Any]]:
        """What is new, with the texts of the rules."""
        self._follow()
        found = [each.as_dict() for each in self._listener.take()]
        for each in found:
            each["rule"] = self._rule(each) if each["kind"] == "rule" else None
        if self._file is not None and found:
            self._file.write("".join(json.dumps(each) + "\n" for each in found).encode())
            self._file.flush()
        return found

    def _follow(self) -> None:
        if self._watch.version == self._version or self._watch.inventory is None:
            return
        from perfpath.commands.packets import living

        self._version = self._watch.version
        there = living(self._watch.inventory)
        known = self._listener.namespaces
        self._listener.remove([inum for inum in known if inum not in there])
        for inum, path in there.items():
            if inum not in known and self._listener.add(inum, partial(within, path, inum)):
                self._paths[inum] = path

    def _rule(self, verdict: dict[str, Any]) -> str | None:
        key = (verdict["netns"], verdict["family"], verdict["table"], verdict["chain"])
        if key not in self._rules:
            self._rules[key] = self._listed(*key)
        return self._rules[key].get(verdict["handle"])

    def _listed(self, inum: int, family: str, table: str, chain: str) -> dict[int, str]:
        """The rules of a chain by their handles; none where nft isn't there, or has another opinion."""
        nft = shutil.which("nft")
        if nft is None or inum not in self._paths:
            return {}
        argv = [nft, "-s", "-a", "list", "chain", family, table, chain]

        def run() -> str:
            return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=SECONDS).stdout

        try:
            text = within(self._paths[inum], inum, run)
        except (OSError, subprocess.SubprocessError):
            return {}
        return {int(match[2]): match[1].strip() for match in re.finditer(r"^(.*) # handle (\d+)$", text, re.MULTILINE)}
