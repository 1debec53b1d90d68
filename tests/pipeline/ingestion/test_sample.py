"""The price sets bundled with skfolio."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from pipeline.config import SourceParams
from pipeline.errors import DataError
from pipeline.fingerprint import bars_digest
from pipeline.ingestion import sample
from pipeline.ingestion.calendars import open_calendar
from pipeline.ingestion.snapshot import panel_of
from pipeline.ingestion.source import open_source


@pytest.mark.parametrize(
    ("dataset", "rows", "symbols", "first"),
    [("sp500", 8313, 20, "1990-01-02"), ("factors", 2264, 5, "2014-01-02")],
)
def test_sample_is_complete_and_on_every_session(
    dataset: Literal["sp500", "factors"], rows: int, symbols: int, first: str
) -> None:
    """Shape, range and days are those documented; there are no holes."""
    panel = panel_of(open_source(SourceParams(dataset=dataset), Path()).read(), "close")
    assert panel.closes.shape == (rows, symbols)
    assert not np.isnan(panel.closes).any()
    assert (str(panel.dates[0]), str(panel.dates[-1])) == (first, "2022-12-28")
    sessions = open_calendar("XNYS").sessions(panel.dates[0], panel.dates[-1])
    np.testing.assert_array_equal(panel.dates, sessions)


def test_sample_values_do_not_change() -> None:
    """Another release of skfolio with other prices must not pass unseen."""
    bars = open_source(SourceParams(dataset="factors"), Path()).read()
    assert bars_digest(bars) == "518ad16b8fd78db49623150ca3f34eaa302db9f228d2f140ab32e0cd6de72449"
    assert bars.fields["close"][0] == 52.704


def test_sample_equals_what_skfolio_loads() -> None:
    """Reading the bundled file ourselves gives the prices of skfolio's own loader."""
    script = (
        "from skfolio.datasets import load_factors_dataset as f;"
        "print(f().loc['2014-01-03'].to_dict())"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], check=True, capture_output=True, text=True
    )
    panel = panel_of(open_source(SourceParams(dataset="factors"), Path()).read(), "close")
    ours = dict(zip(panel.symbols, panel.closes[1].tolist(), strict=True))
    assert str(ours) == ran.stdout.strip()


def test_sample_is_read_without_importing_skfolio_or_pandas() -> None:
    """The first command of a newcomer does not wait for libraries it does not use."""
    script = (
        "import sys; from pathlib import Path; from pipeline.config import SourceParams;"
        "from pipeline.ingestion.source import open_source;"
        "open_source(SourceParams(dataset='factors'), Path()).read();"
        "print(sorted({'skfolio', 'pandas', 'pyarrow'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "[]"


def test_missing_skfolio_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the distribution there is no sample, and nothing takes its place."""
    monkeypatch.setattr(sample, "find_spec", lambda _: None)
    with pytest.raises(DataError, match="skfolio is not installed"):
        open_source(SourceParams(), Path()).read()
