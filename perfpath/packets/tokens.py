"""A match expression cut into words, each with its place, and the one way it is complained about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from perfpath.errors import UsageError
from perfpath.escape import visible

_TOKEN = re.compile(r"\s*(&&|\|\||[()!]|[^\s()!&|]+|[&|])")
SIGNS = {"&&": "and", "||": "or", "!": "not"}


class ExpressionError(UsageError):
    """A match expression that can't be understood. problem: why, without where."""

    def __init__(self, expression: str, token: Token, problem: str) -> None:
        self.problem = problem
        margin, shown = "  ", visible(expression)
        caret = " " * len(visible(expression[: token.at]))
        super().__init__(f"--match, character {token.at + 1}: {problem}\n{margin}{shown}\n{margin}{caret}^")


@dataclass(frozen=True, slots=True)
class Token:
    """text: as written, `and`, `or`, `not` for their signs; "" at the end. at: its first character, from 0."""

    text: str
    at: int

    @property
    def end(self) -> bool:
        """True for what stands behind the last word."""
        return not self.text


def tokens(expression: str) -> list[Token]:
    """The words of an expression, and an empty one at its end."""
    found = []
    at = 0
    while match := _TOKEN.match(expression, at):
        word = match[1]
        found.append(Token(SIGNS.get(word, word), match.start(1)))
        at = match.end()
    return [*found, Token("", len(expression.rstrip()))]


def complain(expression: str, token: Token, problem: str) -> NoReturn:
    """Raise UsageError, with a caret under the word that can't be understood."""
    raise ExpressionError(expression, token, problem)
