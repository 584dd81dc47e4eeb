"""Plain tables of numpy columns, without pandas, which takes longer to import than a million events take to read."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from perfpath import schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pandas as pd

Array = npt.NDArray[Any]
COPIES_ON_WRITE = 3  # pandas' version from which it does
LONGEST = 1 << 40  # no column is as long


def narrow(count: int) -> type[np.signedinteger[Any]]:
    """The smallest dtype of row numbers below this."""
    return np.int32 if count <= np.iinfo(np.int32).max else np.int64


def distinct(values: Array) -> Array:
    """The distinct values of a column, ascending: np.unique, without its import of numpy.ma, which takes 8 ms."""
    ordered = np.sort(values[:1] if values.strides == (0,) else values)
    first = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def among(values: Array, known: Array) -> Array:
    """bool[n]: which values are among the known ones, which are sorted: np.isin, without its import of numpy.ma."""
    if not len(known):
        return np.zeros(len(values), bool)
    found: Array = known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values
    return found


class Names:
    """An append-only list of distinct strings: the categories of a column. Codes stay valid as it grows."""

    __slots__ = ("_codes", "texts")

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.texts: list[str] = []
        self._codes: dict[str, int] = {}
        for text in texts:
            self.code(text)

    def code(self, text: str) -> int:
        """The code of a text, added where it is new."""
        code = self._codes.get(text)
        if code is None:
            code = self._codes[text] = len(self.texts)
            self.texts.append(text)
        return code

    def find(self, text: str) -> int:
        """The code of a text, or -1 where it isn't among the names."""
        return self._codes.get(text, -1)

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, code: int) -> str | None:
        """The text of a code; None for -1."""
        return None if code < 0 else self.texts[code]


@dataclass(frozen=True, slots=True)
class Later:
    """A column that is made when it is first asked for. What `make` needs is held until then."""

    make: Callable[[], Array]


class Columns(MutableMapping[str, Array]):
    """Columns of one length, some of them still to be made. Only looking at a value makes it, not its name."""

    __slots__ = ("_columns", "length")

    def __init__(self, columns: dict[str, Array | Later], length: int) -> None:
        self._columns = columns
        self.length = length

    def __getitem__(self, name: str) -> Array:
        column = self._columns[name]
        if isinstance(column, Later):
            column = self._columns[name] = column.make()
        return column

    def __setitem__(self, name: str, column: Array) -> None:
        self._columns[name] = column

    def __delitem__(self, name: str) -> None:
        del self._columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def once(self, name: str) -> Array:
        """A column as it is, or made for this once where it wasn't made yet."""
        column = self._columns[name]
        return column.make() if isinstance(column, Later) else column

    def extended(self, more: dict[str, Array]) -> Columns:
        """The same with columns added or replaced; what wasn't made stays so."""
        return Columns({**self._columns, **more}, self.length)

    def taken(self, rows: Array | slice) -> Columns:
        """Some rows of each; what wasn't made stays so, and holds these columns until it is."""
        if isinstance(rows, slice):
            length = len(range(*rows.indices(self.length)))
        else:
            length = int(np.count_nonzero(rows)) if rows.dtype == bool else len(rows)
        columns = {
            name: self._later(name, rows) if isinstance(column, Later) else column[rows]
            for name, column in self._columns.items()
        }
        return Columns(columns, length)

    def _later(self, name: str, rows: Array | slice) -> Later:
        return Later(lambda: self[name][rows])


class Table:
    """Columns of one length.

    columns: name -> 1-d array. A category column holds int32 codes into `names[column]`, -1 for missing.
    Tables from one source share their `Names`, so that they concatenate without recoding.
    """

    __slots__ = ("_frame", "columns", "names")

    def __init__(self, columns: MutableMapping[str, Array], names: dict[str, Names]) -> None:
        self.columns = columns
        self.names = names
        self._frame: pd.DataFrame | None = None

    @classmethod
    def filled(
        cls, declared: Sequence[schema.Column], length: int, names: dict[str, Names], **given: Array | Later
    ) -> Table:
        """A table with all declared columns (no optional ones): the given arrays, "missing" in the others.

        Missing columns are read-only views of one element and cost nothing. Given columns get the declared dtype.
        """
        columns: dict[str, Array | Later] = {}
        for column in declared:
            dtype = np.dtype("int32" if column.dtype == "category" else column.dtype)
            if column.name in given:
                columns[column.name] = _typed(given[column.name], dtype)
            elif not column.optional:
                columns[column.name] = np.broadcast_to(np.array(column.missing).astype(dtype), length)
            if column.dtype == "category":
                names.setdefault(column.name, Names())
        return cls(Columns(columns, length), names)

    def __len__(self) -> int:
        if isinstance(self.columns, Columns):
            return self.columns.length
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def __getitem__(self, column: str) -> Array:
        return self.columns[column]

    def __contains__(self, column: str) -> bool:
        return column in self.columns

    def take(self, rows: Array | slice) -> Table:
        """The rows of an index array, a mask or a slice, in that order."""
        if isinstance(self.columns, Columns):
            return Table(self.columns.taken(rows), self.names)
        return Table({name: array[rows] for name, array in self.columns.items()}, self.names)

    def made(self) -> Table:
        """The same table with all its columns made: for one that is kept, which shall hold nothing else."""
        return Table(dict(self.columns), self.names)

    def extended(self, **more: Array) -> Table:
        """The same table with columns added or replaced."""
        if isinstance(self.columns, Columns):
            return Table(self.columns.extended(more), self.names)
        return Table({**self.columns, **more}, self.names)

    def texts(self, column: str) -> list[str | None]:
        """A category column as strings; None for missing."""
        known = [*self.names[column].texts, None]  # -1 is the last
        return [known[code] for code in self.columns[column].tolist()]

    def to_pandas(self) -> pd.DataFrame:
        """The same as a DataFrame; category columns become pandas categoricals.

        pandas 3 copies a column only when it is written to, as long as another frame has it: ours, which is kept.
        """
        import pandas as pd

        if self._frame is not None:
            return self._frame.copy(deep=False)
        columns = self.columns if isinstance(self.columns, Columns) else Columns(dict(self.columns), len(self))
        frame = {name: _for_pandas(columns.once(name), self.names.get(name)) for name in columns}
        if int(pd.__version__.partition(".")[0]) < COPIES_ON_WRITE:
            return pd.DataFrame(frame, copy=True)
        self._frame = pd.DataFrame(frame, copy=False)
        return self._frame.copy(deep=False)


def _for_pandas(column: Array, names: Names | None) -> pd.Categorical | pd.Series[Any] | Array:
    import pandas as pd

    if names is not None:
        codes = np.ascontiguousarray(column)
        return pd.Categorical.from_codes(codes, categories=pd.Index(names.texts, dtype="object"))
    if len(column) and column.strides == (0,) and int(pd.__version__.partition(".")[0]) >= COPIES_ON_WRITE:
        return _everywhere(column[0].item(), column.dtype.str).iloc[: len(column)]
    return np.ascontiguousarray(column)


@cache
def _everywhere(value: int, dtype: str) -> pd.Series[Any]:
    """One value as often as anybody may want it, in the memory of one.

    It is kept for ever: pandas copies before it writes to what another has, and could not write to a view.
    """
    import pandas as pd

    return pd.Series(np.broadcast_to(np.array(value, dtype), LONGEST), copy=False)


def concatenated(tables: Sequence[Table]) -> Table:
    """Tables that share their names, one after the other. A column that some lack is filled as missing."""
    if len(tables) == 1:
        return tables[0]
    if not tables:
        raise ValueError("no tables to concatenate")
    missing = {column.name: column.missing for column in (*schema.HOPS, *schema.JOURNEYS)}
    columns = dict.fromkeys(name for table in tables for name in table.columns)
    dtypes = {name: table.columns[name].dtype for table in tables for name in table.columns}
    joined = {
        name: _joined(
            [
                table.columns[name]
                if name in table.columns
                else np.broadcast_to(np.array(missing.get(name, -1)).astype(dtypes[name]), len(table))
                for table in tables
            ]
        )
        for name in columns
    }
    return Table(joined, tables[0].names)


def _typed(column: Array | Later, dtype: np.dtype[Any]) -> Array | Later:
    if isinstance(column, Later):
        make = column.make
        return Later(lambda: make().astype(dtype, copy=False))
    return column.astype(dtype, copy=False)


def _joined(parts: list[Array]) -> Array:
    """The parts one after the other; views of one element stay a view where it is the same one."""
    if all(part.strides == (0,) for part in parts):
        values = {part[0].item() for part in parts if len(part)}
        if len(values) == 1:
            return np.broadcast_to(np.array(values.pop(), parts[0].dtype), sum(map(len, parts)))
    return np.concatenate(parts)
