"""Bars and where they come from.

A source reads everything it has, unchanged; `restrict` cuts that to the symbols and dates of a run
before it is kept as a snapshot.

Sources of other distributions register a function `(SourceParams, Path) -> BarSource` in the entry
point group `assay.sources`; the built-in ones are listed the same way, so that none is imported
before it is used.

Invariants of `Bars`:
    1. Rows ascend by symbol, then by date; no (symbol, date) occurs twice.
    2. `close` is always there; the other fields stand in the order of `FIELDS`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

import numpy as np

from pipeline.errors import ConfigError, DataError
from pipeline.ingestion.spelling import closest, did_you_mean
from pipeline.values import frozen_array, frozen_dates

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.config import DataParams, SourceParams
    from pipeline.values import DateArray, FloatArray

    OpenSource: TypeAlias = Callable[[SourceParams, Path], "BarSource"]

FIELDS: tuple[str, ...] = ("open", "high", "low", "close", "adj_close", "volume")
"""Fields a bar may have, in their one order."""

LEAST_SYMBOLS = 2
"""Fewer symbols and there is nothing to weigh."""

GROUP = "assay.sources"
"""Entry point group of the sources."""

BUILT_IN: tuple[EntryPoint, ...] = (
    EntryPoint("sample", "pipeline.ingestion.sample:open_sample", GROUP),
    EntryPoint("parquet", "pipeline.ingestion.parquet_file:open_parquet", GROUP),
    EntryPoint("csv", "pipeline.ingestion.csv_file:open_csv", GROUP),
)
"""Sources that come with assay."""


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Bars of several symbols as one long table, sorted by symbol, then date.

    Attributes
    ----------
    symbol : ndarray of shape (n_bars,)
        Symbol of each bar, fixed-width text.
    date : ndarray of shape (n_bars,)
        Market day of each bar, `datetime64[D]`.
    fields : mapping of str to ndarray of shape (n_bars,)
        Some of `FIELDS`, in that order, always with `close`. Prices are positive, in the currency
        of the source; NaN means that the source has no value.
    """

    symbol: NDArray[np.str_]
    date: DateArray
    fields: Mapping[str, FloatArray]

    @classmethod
    def of(cls, symbol: object, date: object, fields: Mapping[str, object]) -> Bars:
        """Build bars from array-likes in any order of rows.

        Raises
        ------
        ValueError
            If lengths differ, `close` is missing, a field is unknown, a date is missing, or a
            (symbol, date) occurs twice.
        """
        names = np.array(symbol, dtype=np.str_)
        days = np.array(date, dtype="datetime64[D]")
        _refuse_foreign_fields(fields)
        columns = {name: np.array(fields[name], np.float64) for name in FIELDS if name in fields}
        if any(len(column) != len(names) for column in (days, *columns.values())):
            msg = f"columns differ in length; symbol has {len(names)} rows"
            raise ValueError(msg)
        order = np.lexsort((days, names))
        names, days = names[order], days[order]
        _refuse_repeated_bars(names, days)
        names.flags.writeable = False
        ordered = {name: frozen_array(column[order]) for name, column in columns.items()}
        return cls(names, frozen_dates(days), MappingProxyType(ordered))

    def __len__(self) -> int:
        return len(self.symbol)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols that have a bar, ascending."""
        return tuple(np.unique(self.symbol).tolist())

    def where(self, kept: NDArray[np.bool_]) -> Bars:
        """Return the bars of the rows where `kept` is true."""
        return Bars.of(
            self.symbol[kept],
            self.date[kept],
            {name: column[kept] for name, column in self.fields.items()},
        )


def _refuse_foreign_fields(fields: Mapping[str, object]) -> None:
    foreign = sorted(set(fields) - set(FIELDS))
    if foreign or "close" not in fields:
        msg = f"expected close and others of {FIELDS}, found {sorted(fields)}"
        raise ValueError(msg)


def _refuse_repeated_bars(names: NDArray[np.str_], days: DateArray) -> None:
    """Raise if a date is missing or a bar of the sorted rows equals the one before it."""
    if np.isnat(days).any():
        msg = "a bar has no date"
        raise ValueError(msg)
    repeated = np.flatnonzero((names[1:] == names[:-1]) & (days[1:] == days[:-1]))
    if len(repeated):
        at = int(repeated[0])
        msg = f"{names[at]} has more than one bar on {days[at]}"
        raise ValueError(msg)


class BarSource(Protocol):
    """Something that has bars."""

    @property
    def name(self) -> str:
        """What is recorded as the source; no path of a machine."""
        ...

    def read(self) -> Bars:
        """Return all bars of the source.

        Raises
        ------
        DataError
            If what the source holds cannot be used as it is.
        """
        ...


def source_name(params: SourceParams) -> str:
    """Return what is recorded as the source: its kind and what it reads, as configured.

    >>> from pipeline.config import SourceParams
    >>> source_name(SourceParams(kind="csv", path="prices.csv"))
    'csv:prices.csv'
    """
    if params.kind == "sample":
        return f"sample:{params.dataset}"
    return params.kind if params.path is None else f"{params.kind}:{params.path}"


def open_source(params: SourceParams, base: Path) -> BarSource:
    """Return the source that `params` describe; `path` is relative to `base`.

    Raises
    ------
    ConfigError
        If no source of that kind is installed, two are, or it cannot be imported.
    """
    registered = (*BUILT_IN, *entry_points(group=GROUP))
    found = [entry for entry in registered if entry.name == params.kind]
    if not found:
        raise ConfigError(
            f"source kind {params.kind!r} is not known",
            where="data.source.kind",
            why=f"a source comes with assay or is registered in the entry point group {GROUP}",
            fix=did_you_mean(params.kind, {entry.name for entry in registered}),
        )
    if len({entry.value for entry in found}) > 1:
        raise ConfigError(
            f"source kind {params.kind!r} is registered {len(found)} times",
            where=", ".join(entry.value for entry in found),
            why="which of them is read would depend on the order of installation",
            fix="uninstall all but one, or rename the entry point",
        )
    return _load(found[0])(params, base)


def _load(entry: EntryPoint) -> OpenSource:
    try:
        return cast("OpenSource", entry.load())
    except (ImportError, AttributeError) as e:
        raise ConfigError(
            f"source kind {entry.name!r} cannot be imported: {e}",
            where=f"entry point {entry.value} in group {GROUP}",
            why="the distribution that registers it is broken or incomplete",
            fix="reinstall that distribution, or choose another data.source.kind",
        ) from e


def required_path(params: SourceParams, base: Path) -> Path:
    """Return the file that `params.path` names, relative to `base`; it need not exist.

    Raises
    ------
    ConfigError
        If no path is configured.
    """
    if params.path is None:
        raise ConfigError(
            f"source kind {params.kind!r} needs a path, found null",
            where="data.source.path",
            why="a file source reads exactly one file",
            fix='set data.source.path, relative to the manifest, e.g. "prices.parquet"',
        )
    return base / params.path


def read_file(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises
    ------
    DataError
        If there is no such file, it cannot be read, or it has no bytes.
    """
    try:
        content = path.read_bytes()
    except OSError as e:
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        near = closest(path.name, beside)
        raise DataError(
            f"{path.name} cannot be read: {e.strerror}",
            where=str(path),
            why="the prices of a run come from this file",
            fix="data.source.path is relative to the manifest"
            + (f"; did you mean {near}?" if near and near != path.name else ""),
        ) from e
    if not content:
        raise DataError(
            f"{path.name} is empty: 0 bytes",
            where=str(path),
            why="an empty file is more likely a failed download than a market without prices",
            fix="fetch the prices again, or set data.source.path to another file",
        )
    return content


def restrict(bars: Bars, params: DataParams) -> Bars:
    """Return the bars of the symbols and dates that `params.source` asks for; nothing is filled.

    Symbols are cut first, then `last_date`, `first_date`, and `history_years` back from the last
    day that remains; restricting again changes nothing, so a snapshot of the result stands for the
    source.

    Raises
    ------
    ConfigError
        If a date of the parameters is not a date.
    DataError
        If the source gave a price that is no price, a symbol asked for is not there, or fewer
        than two symbols or no bars remain.
    """
    wanted = params.source
    _refuse_unusable_prices(bars, wanted)
    chosen = bars if wanted.symbols is None else _of_symbols(bars, wanted.symbols)
    first, last = _day(wanted.first_date, "first_date"), _day(wanted.last_date, "last_date")
    kept = np.ones(len(chosen), dtype=np.bool_)
    if last is not None:
        kept &= chosen.date <= last
    if first is not None:
        kept &= chosen.date >= first
    if wanted.history_years is not None and kept.any():
        kept &= chosen.date > _years_before(chosen.date[kept].max(), wanted.history_years)
    remaining = chosen if kept.all() else chosen.where(kept)
    _refuse_too_little(chosen, remaining, params)
    return remaining


def _refuse_unusable_prices(bars: Bars, source: SourceParams) -> None:
    """Raise if a price is not positive and finite; files are checked by cell, plug-ins are not."""
    for name, values in bars.fields.items():
        wrong = np.isinf(values) | ((values < 0.0) if name == "volume" else (values <= 0.0))
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            raise DataError(
                f"{int(wrong.sum())} values of {name} are infinite, zero or negative",
                where=f"{source_name(source)}: {bars.symbol[at]} {bars.date[at]}: {values[at]:g}",
                why="a return divides by the price before it; zero often stands for a missing bar",
                fix="correct the source; a bar without a price has NaN or is left out",
            )


def _of_symbols(bars: Bars, symbols: Sequence[str]) -> Bars:
    known = bars.symbols
    unknown = sorted(set(symbols) - set(known))
    if unknown:
        hints = "; ".join(f"{symbol}: {did_you_mean(symbol, known)}" for symbol in unknown[:5])
        raise DataError(
            f"{len(unknown)} of {len(set(symbols))} symbols asked for are not in the source",
            where=f"data.source.symbols: {', '.join(unknown[:5])}",
            why="every symbol named must have bars, or the run is another one than configured",
            fix=hints,
        )
    return bars.where(np.isin(bars.symbol, sorted(set(symbols))))


def _day(text: str | None, key: str) -> np.datetime64 | None:
    if text is None:
        return None
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        day = None
    # fromisoformat takes 20200131 and 2020-W05-5 too; one spelling is enough.
    if day is None or day.isoformat() != text:
        raise ConfigError(
            f"data.source.{key} is {text!r}, expected a date YYYY-MM-DD",
            where=f"data.source.{key}",
            why="a day that does not exist cannot bound the prices",
            fix=f'write data.source.{key} like "2020-01-31", or null',
        )
    return np.datetime64(day, "D")


def _years_before(day: np.datetime64, years: int) -> np.datetime64:
    """Return the same day `years` earlier; 29 February becomes the 28th."""
    months = day.astype("datetime64[M]")
    month = months - np.timedelta64(12 * years, "M")
    month_end = (month + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")
    earlier = month.astype("datetime64[D]") + (day - months.astype("datetime64[D]"))
    return min(earlier, month_end)


def _refuse_too_little(before: Bars, after: Bars, params: DataParams) -> None:
    source = params.source
    asked = f"first_date {source.first_date}, last_date {source.last_date}"
    if len(after) == 0:
        raise DataError(
            f"no bar is left of {len(before)}: {asked}",
            where=f"{source_name(source)}, {_range(before)}",
            why="the dates asked for lie outside those of the source",
            fix="set data.source.first_date and last_date within the dates of the source",
        )
    lost = sorted(set(source.symbols or ()) - set(after.symbols))
    if lost:
        raise DataError(
            f"{len(lost)} symbols asked for have no bar within the dates asked for: {asked}",
            where=f"data.source.symbols: {', '.join(lost[:5])}",
            why="every symbol named must have bars, or the run is another one than configured",
            fix="drop them from data.source.symbols, or widen first_date and last_date",
        )
    if len(after.symbols) < LEAST_SYMBOLS:
        raise DataError(
            f"expected at least {LEAST_SYMBOLS} symbols, found {', '.join(after.symbols)} alone",
            where=source_name(source),
            why="a portfolio of one symbol has nothing to weigh",
            fix="add symbols to the source or to data.source.symbols",
        )


def _range(bars: Bars) -> str:
    return f"{bars.date.min()} to {bars.date.max()}" if len(bars) else "no bars at all"
