"""Statistics of frames, series and arrays: right numbers, bounded work, and no code of the user."""

import importlib
import sys
import types
import warnings
from typing import Any

import pytest

from codex_jupyter.notebook.context.statistics import MAX_VALUES, statistics_of

np, pd = (importlib.import_module(name) for name in ("numpy", "pandas"))


def lines(value: Any, name: str = "value", seconds: float = 1.0) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return statistics_of(name, value, lambda: seconds)[1:]


class Hidden:
    """A value whose code must not run."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError

    __hash__ = None  # type: ignore[assignment]


def frame() -> Any:
    return pd.DataFrame(
        {
            "city": pd.array(["Bern", "Basel", None], dtype="string"),
            "people": [140, None, 3],
            "when": pd.to_datetime(["2020-01-01", None, "2021-01-01"]),
            "password": [1, 2, 3],
            "kind": pd.Categorical(["a", "b", "a"]),
            "count": pd.array([1, None, 3], dtype="Int64"),
            "mixed": [Hidden(), None, 1],
            7: [1, 2, 3],
        }
    )


def test_a_frame_has_a_line_for_each_column_but_secrets() -> None:
    assert lines(frame()) == [
        "city: missing 1, distinct 2",
        "people: missing 1, min 3, mean 71.5, max 140, std 96.8736, median 71.5",
        "when: missing 1, min 2020-01-01 00:00:00, max 2021-01-01 00:00:00",
        "kind: distinct 2",
        "count: missing 1, min 1, mean 2, max 3, std 1.41421, median 2",
        "mixed: missing 1",
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (pd.Series([1.0]), ["min 1, mean 1, max 1, std nan, median 1"]),
        (pd.Series([], dtype=float), []),
        (np.arange(12.0).reshape(3, 4).T, ["min 0, mean 5.5, max 11, std 3.45205"]),
        (np.array([1, np.nan, np.inf]), ["missing 1, min 1, mean inf, max inf, std nan"]),
        (np.array([np.nan]), ["missing 1"]),
        (np.array([2**62 + 1, 2**62 + 3]), ["min 4611686018427387905, mean 4.61169e+18, max 4611686018427387907"]),
        (np.array([2**64 - 1], dtype="uint64"), ["min 18446744073709551615, mean 1.84467e+19, max 18446744073709551615"]),
        (np.array([-(2**53) - 1, 5]), ["min -9007199254740993, mean -4.5036e+15, max 5"]),
        (np.array([2**53, 5]), ["min 5, mean 4.5036e+15, max 9.0072e+15, std 4.5036e+15"]),
        (pd.Series([2**62 + 1, None, 7], dtype="Int64"), [f"missing 1, min 7, mean {2**61:.6g}, max {2**62 + 1}, median {2**61:.6g}"]),
        (np.array(["1e400"], dtype=np.longdouble), []),
        (np.array([Hidden()], dtype=object), []),
        (np.array(["text"]), []),
        ([1, 2], []),
        (Hidden(), []),
    ],
)
def test_other_values_have_the_numbers_that_they_have(value: Any, expected: list[str]) -> None:
    assert lines(value) == expected


class Series:
    """A column of polars, as far as its statistics need it."""

    __module__ = "polars.series.series"

    def __init__(self, values: list[Any], dtype: str) -> None:
        self.values = values
        kind = {"is_numeric": lambda _: dtype == "Int64", "is_temporal": lambda _: False, "__str__": lambda _: dtype}
        self.dtype = type("DataType", (), {"__module__": "polars.datatypes", **kind})()

    def head(self, _: int) -> "Series":
        return self

    def __len__(self) -> int:
        return len(self.values)

    len = __len__

    def null_count(self) -> int:
        return self.values.count(None)

    def drop_nulls(self) -> "Series":
        return Series([value for value in self.values if value is not None], str(self.dtype))

    def n_unique(self) -> int:
        return len(set(self.values))

    def min(self) -> Any:
        return min(self.drop_nulls().values)

    def max(self) -> Any:
        return max(self.drop_nulls().values)

    def mean(self) -> Any:
        return sum(self.drop_nulls().values) / len(self.drop_nulls())

    std = median = mean


def test_columns_of_polars_have_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing value is not a distinct value, although polars counts it as one."""
    polars = types.ModuleType("polars")
    vars(polars)["Series"] = Series
    monkeypatch.setitem(sys.modules, "polars", polars)
    assert lines(Series(["x", None, "y", "x"], "String")) == ["missing 1, distinct 2"]
    assert lines(Series([2**62 + 1, None, 2**62 + 1], "Int64")) == [
        "missing 1, min 4611686018427387905, mean 4.61169e+18, max 4611686018427387905, median 4.61169e+18"
    ]


def test_a_subclass_and_a_secret_name_have_no_statistics() -> None:
    class Own(pd.Series):  # type: ignore[misc, name-defined]
        def head(self, *_: Any) -> Any:
            raise AssertionError

    assert lines(Own([1.0])) == []
    assert lines(pd.Series([1.0]), name="password") == []


def test_large_values_are_read_in_part_and_the_time_is_checked_for_each_column() -> None:
    [first, second] = statistics_of("value", np.zeros(MAX_VALUES + 1), lambda: 1.0)
    assert first == f"statistics of the first {MAX_VALUES:,} of {MAX_VALUES + 1:,}:"
    assert second == "min 0, mean 0, max 0, std 0"
    assert lines(frame(), seconds=0.0) == ["... (no time for the other columns)"]
