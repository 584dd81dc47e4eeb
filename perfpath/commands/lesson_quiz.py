"""The quiz of `perfpath discover`: asks on standard output, reads answers from standard input."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from perfpath.errors import EXIT_OK
from perfpath.escape import visible

if TYPE_CHECKING:
    from perfpath.lessons.material import Material


def quiz(materials: tuple[Material, ...], *, count: int, seed: int) -> int:
    """Ask, read answers from standard input, one a line; its end is the end of the quiz."""
    from perfpath.lessons import quiz_screen
    from perfpath.lessons.quiz import answer_of, questions
    from perfpath.render.console import Sink, console

    asked = questions(materials, count, seed)
    screen = console(Sink(sys.stdout))
    right = answered = 0
    for number, question in enumerate(asked, start=1):
        quiz_screen.ask(question, number, len(asked), screen)
        answer = None
        while answer is None and (line := _answer(len(question.choices))):
            answer = answer_of(line, question)
        if answer is None:
            break
        answered += 1
        right += answer == question.right
        quiz_screen.judged(question, answer, screen)
    quiz_screen.score(right, answered, len(asked), screen)
    return EXIT_OK


def _answer(choices: int) -> str:
    """A line of input, "" at its end."""
    sys.stdout.write(f"your answer (a-{chr(ord('a') + choices - 1)}): ")
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not sys.stdin.isatty():
        sys.stdout.write(f"{visible(line.rstrip())}\n")
    return line
