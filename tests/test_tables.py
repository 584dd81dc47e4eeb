"""Tables of numpy columns."""

import numpy as np
import pandas as pd
import pytest

from perfpath import schema
from perfpath.tables import COPIES_ON_WRITE, Later, Names, Table, concatenated


def events(times: list[int], devs: list[str], names: dict[str, Names]) -> Table:
    codes = np.array([names.setdefault("dev", Names()).code(dev) for dev in devs], dtype=np.int32)
    return Table.filled(schema.EVENTS, len(times), names, time_ns=np.array(times), dev=codes)


def test_missing_columns_hold_their_sentinel_and_cost_nothing() -> None:
    table = events([1, 2], ["a", "b"], {})
    assert table["cpu"].tolist() == [-1, -1]
    assert table["skbaddr"].dtype == np.uint64
    assert table["skbaddr"].strides == (0,)
    assert "rc" not in table


def test_addresses_survive_pandas_exactly() -> None:
    address = 0xFFFF_8881_B112_FB01
    table = events([1], ["a"], {}).extended(skbaddr=np.array([address], dtype=np.uint64))
    frame = table.to_pandas()
    assert int(frame["skbaddr"].iloc[0]) == address
    assert frame["dev"].astype(object).tolist() == ["a"]


def test_what_is_written_to_a_frame_stays_in_it() -> None:
    table = events([1, 2], ["a", "b"], {}).extended(len=np.array([60, 70], dtype=np.uint32))
    frame, other = table.to_pandas(), table.to_pandas()
    frame.loc[0, "len"] = 99
    frame.loc[1, "time_ns"] = 5
    frame.loc[0, "dev"] = "b"
    frame["len"] += 1
    assert frame["len"].tolist() == [100, 71]
    assert other["len"].tolist() == table["len"].tolist() == [60, 70]
    assert other["time_ns"].tolist() == table["time_ns"].tolist() == [1, 2]
    assert other["dev"].tolist() == table.texts("dev") == ["a", "b"]


@pytest.mark.skipif(int(pd.__version__.split(".")[0]) < COPIES_ON_WRITE, reason="this pandas doesn't copy on write")
def test_a_frame_holds_the_tables_own_columns() -> None:
    table = events([1, 2], ["a", "b"], {})
    assert np.shares_memory(table.to_pandas()["time_ns"].to_numpy(), table["time_ns"])


@pytest.mark.skipif(int(pd.__version__.split(".")[0]) < COPIES_ON_WRITE, reason="this pandas doesn't copy on write")
def test_a_column_of_one_value_takes_no_memory_in_a_frame_until_it_is_written_to() -> None:
    many = Table.filled(schema.HOPS, 3, {})
    frame = many.to_pandas()
    assert frame["queue_ns"].to_numpy().strides == (0,)
    types = {column.name: np.dtype(column.dtype) for column in schema.HOPS if column.dtype != "category"}
    assert {name: dtype for name, dtype in frame.dtypes.items() if name in types} == {
        name: dtype for name, dtype in types.items() if name in frame
    }
    del many
    renamed = frame.rename(columns={"stack": "callchain"})
    renamed.loc[1, "queue_ns"] = 5
    del frame
    renamed.loc[renamed["queue_ns"] > 0, "xmit_ns"] = 7
    renamed.at[2, "ifindex"] = 9
    assert renamed["queue_ns"].tolist() == [-1, 5, -1]
    assert renamed["xmit_ns"].tolist() == [-1, 7, -1]
    assert renamed["ifindex"].tolist() == [0, 0, 9]
    other = Table.filled(schema.HOPS, 3, {}).to_pandas()
    assert (other["queue_ns"].tolist(), other["ifindex"].tolist()) == ([-1] * 3, [0] * 3)


def test_concatenation_fills_what_a_table_lacks() -> None:
    names: dict[str, Names] = {}
    one = events([1], ["a"], names)
    two = events([2], ["b"], names).extended(rc=np.array([0], dtype=np.int32))
    both = concatenated([one, two])
    assert both.texts("dev") == ["a", "b"]
    assert both["rc"].tolist() == [schema.UNKNOWN_RC, 0]
    assert both["rc"].dtype == np.int32


def test_a_later_column_is_made_once_and_only_when_it_is_looked_at() -> None:
    made = []

    def make() -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        made.append(1)
        return np.array([3, 4])

    table = Table.filled(schema.EVENTS, 2, {}, time_ns=Later(make)).extended(cpu=np.array([0, 1]))
    assert len(table) == 2
    assert "time_ns" in table
    assert not made
    assert table["time_ns"].tolist() == [3, 4]
    assert table.take(slice(1, 2))["time_ns"].tolist() == [4]
    assert len(made) == 1


def test_later_columns_get_the_declared_type_and_concatenate() -> None:
    names: dict[str, Names] = {}
    table = Table.filled(schema.EVENTS, 2, names, cpu=Later(lambda: np.array([3, 4])))
    both = concatenated([table, table])
    assert both["cpu"].tolist() == [3, 4, 3, 4]
    assert both["cpu"].dtype == np.int16


def test_rows_taken_of_a_later_column_are_made_later_too() -> None:
    table = Table.filled(schema.EVENTS, 3, {}, time_ns=Later(lambda: np.array([3, 4, 5])))
    index, mask, part = table.take(np.array([2, 0])), table.take(np.array([False, True, True])), table.take(slice(9))
    assert [len(index), len(mask), len(part)] == [2, 2, 3]
    assert [each["time_ns"].tolist() for each in (index, mask, part)] == [[5, 3], [4, 5], [3, 4, 5]]
    assert index.made()["time_ns"].tolist() == [5, 3]
