"""Questions about real recorded packets: where does it go next, which event comes next?"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from perfpath.lessons.coverage import fired
from perfpath.lessons.knowledge import explain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfpath.lessons.coverage import Shape
    from perfpath.lessons.material import Material

NOWHERE = "nowhere: the packet ends here"
CHOICES = 4


@dataclass(frozen=True, slots=True)
class Question:
    """One question: what is known so far (a line each), what is asked, the choices, and the number of the right one.

    why: said after the answer.
    """

    scenario: str
    known: tuple[str, ...]
    text: str
    choices: tuple[str, ...]
    right: int
    why: str


def questions(materials: Sequence[Material], count: int, seed: int) -> list[Question]:
    """`count` different questions, the same for the same recordings and seed; fewer where there aren't as many."""
    draw = random.Random(seed)  # noqa: S311 - a game
    pool = [
        made
        for material in materials
        for shape in material.shapes
        for made in (*_hops(shape, material, draw), *_events(shape, draw))
    ]
    unique = list({(question.known, question.text): question for question in pool}.values())
    draw.shuffle(unique)
    return unique[:count]


def _hops(shape: Shape, material: Material, draw: random.Random) -> list[Question]:
    """Given the places so far: the next one, or none."""
    devices = dict.fromkeys(place.dev for other in material.shapes for place in other.places)
    everywhere = [f"{direction} {device}" for device in devices for direction in ("tx", "rx")]
    steps = [f"{place.direction} {place.dev}" for place in shape.places]
    found = []
    for at in range(1, len(steps) + 1):
        if at == len(steps) and shape.packets[0].end != "freed":
            continue  # whether more would have come the recording doesn't say
        right = steps[at] if at < len(steps) else NOWHERE
        wrong = [place for place in everywhere if place not in {right, steps[at - 1]}]
        wrong += [NOWHERE] * (right != NOWHERE)
        why = f"the whole way: {shape.label}"
        known = tuple(f"seen at {step}" for step in steps[:at])
        base = Question(shape.scenario, known, "Where is it seen next?", (right,), 0, why)
        found.append(_with_wrong(base, wrong, draw))
    return [question for question in found if len(question.choices) > 1]


def _events(shape: Shape, draw: random.Random) -> list[Question]:
    """Given the events so far: the next one."""
    found = []
    names = fired([shape])
    lines = tuple(f"{event:24} {shape.places[place].dev}" for event, place in shape.sequence)
    for at in range(1, len(lines)):
        right, place = shape.sequence[at]
        same = shape.places[place].direction
        wrong = [name for name in names if name != right and explain(name).direction == same]
        wrong += [name for name in names if name != right and name not in wrong]
        why = f"{right}: {explain(right).summary}"
        text = "Which event of this packet comes next?"
        base = Question(shape.scenario, lines[:at], text, (right,), 0, why)
        found.append(_with_wrong(base, wrong, draw))
    return [question for question in found if len(question.choices) > 1]


def _with_wrong(question: Question, wrong: list[str], draw: random.Random) -> Question:
    """The question with wrong choices beside the right one, in a random order."""
    right = question.choices[0]
    choices = [right, *draw.sample(wrong, min(CHOICES - 1, len(wrong)))]
    draw.shuffle(choices)
    return replace(question, choices=tuple(choices), right=choices.index(right))


def answer_of(text: str, question: Question) -> int | None:
    """The number of the choice that a line of input means: its letter or its number; None for anything else."""
    word = text.strip().lower()
    letters = [chr(ord("a") + at) for at in range(len(question.choices))]
    if word in letters:
        return letters.index(word)
    if word.isascii() and word.isdigit() and 1 <= int(word) <= len(question.choices):
        return int(word) - 1
    return None
