"""What was lost, not understood or doubtful: data that travels with every result.

A reader, a tracker or a capture adds to one `Diagnostics`; renderers show it; `--strict` judges by it.
Nothing here prints.
"""

from __future__ import annotations

from dataclasses import dataclass, field

EXAMPLES_KEPT = 3


@dataclass(frozen=True, slots=True)
class Loss:
    """Events that the kernel or perf dropped.

    count: how many events; 0 where only the fact is known.
    cpu: the CPU whose buffer overflowed, -1 where the format doesn't say.
    start_ns, end_ns: the losses lie in this span of the perf clock; None where the format doesn't say
        (then they may be anywhere, and every journey is doubtful).
    """

    count: int
    cpu: int = -1
    start_ns: int | None = None
    end_ns: int | None = None


@dataclass(slots=True)
class Note:
    """One kind of remark and how often it was made.

    severity: "error" (input not understood: counts for --strict), "warning" (a result is doubtful), "info".
    code: a stable kebab-case name, such as "unknown-line"; message: what it means, in words;
    advice: what the user can do, or ""; examples: the first few places, as text (not escaped).
    """

    severity: str
    code: str
    message: str
    advice: str = ""
    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Diagnostics:
    """All losses and notes of one result."""

    losses: list[Loss] = field(default_factory=list)
    notes: dict[str, Note] = field(default_factory=dict)

    def lose(self, count: int, *, cpu: int = -1, start_ns: int | None = None, end_ns: int | None = None) -> None:
        """Record that `count` events are missing."""
        self.losses.append(Loss(count, cpu, start_ns, end_ns))

    def note(
        self,
        code: str,
        message: str,
        *,
        severity: str = "warning",
        count: int = 1,
        example: str | None = None,
        advice: str = "",
    ) -> None:
        """Count a remark; the first message and advice of a code stand for all, the first examples are kept."""
        note = self.notes.setdefault(code, Note(severity, code, message, advice))
        note.count += count
        if example is not None and len(note.examples) < EXAMPLES_KEPT:
            note.examples.append(example)

    def absorb(self, other: Diagnostics) -> None:
        """Add all that another one has."""
        self.losses += other.losses
        for code, note in other.notes.items():
            mine = self.notes.setdefault(code, Note(note.severity, code, note.message, note.advice))
            mine.count += note.count
            mine.examples += note.examples[: EXAMPLES_KEPT - len(mine.examples)]

    @property
    def lost(self) -> int:
        """The number of events known to be lost."""
        return sum(loss.count for loss in self.losses)

    @property
    def sound(self) -> bool:
        """True where nothing was lost and everything was understood (what --strict asks)."""
        return not self.losses and not any(note.severity == "error" for note in self.notes.values())

    def as_dict(self) -> dict[str, object]:
        """The same as plain JSON values."""
        return {
            "lost": self.lost,
            "losses": [
                {"count": x.count, "cpu": x.cpu, "start_ns": x.start_ns, "end_ns": x.end_ns} for x in self.losses
            ],
            "notes": [
                {
                    "severity": n.severity,
                    "code": n.code,
                    "message": n.message,
                    "advice": n.advice,
                    "count": n.count,
                    "examples": n.examples,
                }
                for n in self.notes.values()
            ],
        }
