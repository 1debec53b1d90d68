"""Prices that come inside the skfolio wheel, so that a first run needs no network.

The files are read where skfolio installed them, without importing skfolio: that takes three
seconds for estimators nobody asked for. Closes are adjusted for splits and dividends and rounded
to three decimals; the companies were chosen later, so results look better than they could have
been (survivorship).
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import DataError
from pipeline.ingestion.csv_file import parse_csv
from pipeline.ingestion.shapes import read_bars
from pipeline.ingestion.source import read_file, source_name

if TYPE_CHECKING:
    from pipeline.config import SourceParams
    from pipeline.ingestion.source import Bars


@dataclass(frozen=True, slots=True)
class SampleSource:
    """One of skfolio's bundled price sets.

    `sp500` has 20 large companies, 1990-01-02 to 2022-12-28; `factors` has five factor funds,
    2014-01-02 to 2022-12-28. Both have a close for every session of XNYS.
    """

    name: str
    dataset: str

    def read(self) -> Bars:
        """Return all bars of the set."""
        path = _folder() / f"{self.dataset}_dataset.csv.gz"
        return read_bars(parse_csv(gzip.decompress(read_file(path)), path.name))


def open_sample(params: SourceParams, base: Path) -> SampleSource:
    """Return the price set that `params.dataset` names; `base` is not used."""
    del base
    return SampleSource(source_name(params), params.dataset)


def _folder() -> Path:
    """Return where skfolio keeps its data; finding a top-level package does not import it."""
    found = find_spec("skfolio")
    if found is None or not found.submodule_search_locations:
        raise DataError(
            "the sample prices are not there: skfolio is not installed",
            where="data.source.kind: sample",
            why="the samples are read from the files of the skfolio distribution",
            fix="install the locked environment with `uv sync`, or choose another source",
        )
    return Path(next(iter(found.submodule_search_locations))) / "datasets" / "data"
