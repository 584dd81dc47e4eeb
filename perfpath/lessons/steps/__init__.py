"""The six steps of the lesson, each a page made from recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfpath.lessons.steps.available import available
from perfpath.lessons.steps.choice import choice
from perfpath.lessons.steps.everything import everything
from perfpath.lessons.steps.journey import journey
from perfpath.lessons.steps.reduced import reduced
from perfpath.lessons.steps.returns import returns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from perfpath.lessons.lesson import Lesson
    from perfpath.render.lesson_page import Page

STEPS: tuple[Callable[[Lesson], Page], ...] = (available, everything, reduced, returns, choice, journey)


def pages(lesson: Lesson, only: Sequence[int] = ()) -> Iterator[Page]:
    """The pages of the lesson, each made when it is wanted; `only` some, by number from 1."""
    return (step(lesson) for number, step in enumerate(STEPS, start=1) if not only or number in only)
