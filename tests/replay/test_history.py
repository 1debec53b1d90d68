"""History finds decisions, results and what they built on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flows.audit import choose, load_history
from flows.errors import UsageError
from flows.settings import Workspace
from replay.errors import EvidenceMissingError, UnknownDecisionError

if TYPE_CHECKING:
    from replay.history import History
    from tests.conftest import Workplace


@pytest.fixture(scope="module")
def history(walked_once: Workplace) -> History:
    """Return the history of the walked workspace."""
    return load_history(Workspace(walked_once.root))


def test_decision_is_found_by_a_unique_part_of_its_id(history: History) -> None:
    """A full id, its beginning, or any part that names one decision."""
    id_ = history.decisions()[-1]
    assert history.find(id_) == id_
    assert history.find(id_[:-1]) == id_
    assert history.find("select/stocks.0003") == history.find("select/stocks.0003/1")


@pytest.mark.parametrize("text", ["nothing like it", "optimize"])
def test_unknown_or_ambiguous_text_is_refused(history: History, text: str) -> None:
    """None, or several: the error shows some."""
    with pytest.raises(UnknownDecisionError, match=r"^\d+ decisions match"):
        history.find(text)


def test_series_is_in_the_order_of_windows(history: History) -> None:
    """A prefix stands for all windows of a cell."""
    run_id = history.decisions()[0].partition("/")[0]
    series = history.series(f"{run_id}/simulate/factors.custom.min_variance.")
    first_dates = [result["first_date"] for result, _ in series]
    assert len(series) > 5
    assert first_dates == sorted(first_dates, key=str)


def test_result_of_an_unknown_decision_is_missing(history: History) -> None:
    """No stand-in for evidence."""
    with pytest.raises(EvidenceMissingError):
        history.result("nothing")


def test_sample_is_drawn_without_repetition_and_repeatably(history: History) -> None:
    """The same seed draws the same decisions."""
    one, again = (choose(history, sample=20, seed=4) for _ in range(2))
    other = choose(history, sample=20, seed=5)
    assert one == again != other
    assert len(set(one)) == 20


def test_last_run_and_all(history: History) -> None:
    """The ways to name decisions agree."""
    ids = choose(history, every=True)
    assert choose(history, last=True) == ids[-1:]
    assert choose(history, run_id=ids[0].partition("/")[0][:12]) == ids


def test_nothing_named_is_refused(history: History) -> None:
    """A replay needs to know what."""
    with pytest.raises(UsageError, match="nothing to replay"):
        choose(history)
    with pytest.raises(UsageError, match="0 runs match"):
        choose(history, run_id="1999")
