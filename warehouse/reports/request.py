"""What a report is asked to be about, and what the caller knows that the snapshot does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from warehouse.reports.frameworks import Framework
    from warehouse.reports.period import Period

Form: TypeAlias = Literal["html", "json", "md"]
FORMS: tuple[Form, ...] = ("html", "json", "md")
"""Forms of a report that are the same bytes for the same head."""

_FIRST, _LAST = "0001-01-01", "9999-12-31"


@dataclass(frozen=True, slots=True)
class Request:
    """What to report.

    Attributes
    ----------
    run_id : str or None
        The run; `None` takes the newest closed backtest.
    framework : Framework or None
        Whose sections and mapping; `None` is the plain report of a run.
    period : Period or None
        Days that decisions and returns are limited to; `None` is all of them.
    version : str
        Version of the software that renders.
    """

    run_id: str | None = None
    framework: Framework | None = None
    period: Period | None = None
    version: str = ""

    @property
    def days(self) -> dict[str, str]:
        """The parameters `first` and `last` of statements about a period."""
        if self.period is None:
            return {"first": _FIRST, "last": _LAST}
        return {"first": self.period.first.isoformat(), "last": self.period.last.isoformat()}

    @property
    def spoken(self) -> str:
        """The period as words within a sentence."""
        return "up to the head" if self.period is None else f"from {self.period.words}"
