"""A runner calls the work of a step, and tries again only what the operating system refused."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from flows import runner
from flows.runner import PlainRunner, is_io_failure


class Failing:
    """Work that fails with `error` so many times, then returns its number of calls."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error = error
        self.times = times
        self.calls = 0

    def __call__(self) -> int:
        """Fail or return."""
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return self.calls


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "IO_DELAYS_SECONDS", (0.0, 0.0))


def test_plain_runner_returns_what_the_work_returns() -> None:
    """Nothing is wrapped, nothing is kept."""
    result = object()
    assert PlainRunner().call("step", lambda: result) is result


def test_plain_runner_tries_input_and_output_three_times() -> None:
    """Two refusals of the operating system are outlived, the third is raised."""
    assert PlainRunner().call("read", Failing(OSError("reset"), 2), does_io=True) == 3
    work = Failing(OSError("reset"), 3)
    with pytest.raises(OSError, match="reset"):
        PlainRunner().call("read", work, does_io=True)
    assert work.calls == 3


@pytest.mark.parametrize(
    ("error", "does_io"),
    [
        pytest.param(ValueError("wrong"), True, id="not of the operating system"),
        pytest.param(OSError("reset"), False, id="not declared as input and output"),
    ],
)
def test_plain_runner_does_not_try_decisions_again(error: Exception, *, does_io: bool) -> None:
    """A decision that fails once would fail again; it is recorded, not repeated."""
    work = Failing(error, 1)
    with pytest.raises(type(error)):
        PlainRunner().call("decide", work, does_io=does_io)
    assert work.calls == 1


def test_plain_run_is_known_by_its_run_id_alone() -> None:
    """Nothing is observed beside the record."""
    assert PlainRunner().opened("20261121T000000000Z-demo") == {}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (OSError("reset"), True),
        (TimeoutError("late"), True),
        (ValueError("wrong"), False),
        (None, False),
    ],
)
def test_only_errors_of_the_operating_system_are_io_failures(
    data: object, *, expected: bool
) -> None:
    """The state of a failed task holds the error."""
    assert is_io_failure(None, None, SimpleNamespace(data=data)) is expected
