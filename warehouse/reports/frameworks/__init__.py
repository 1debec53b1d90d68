"""What rules ask, and where a report shows something about it: one JSON file for each framework.

The files are data, read by people who know the rules and not the code. A paragraph whose number was
not compared with the official text says so (`confirmed`), and the report repeats it. Nothing here
says that a rule is satisfied: software cannot satisfy one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files

from warehouse.reports.errors import UnknownFrameworkError

FRAMEWORKS = ("sec-ia", "sec-bd", "mifid", "model-risk", "gips-style", "dora")
"""Names that `--framework` takes."""


@dataclass(frozen=True, slots=True)
class Article:
    """One thing that a rule asks for.

    Attributes
    ----------
    statute, article : str
        Where it stands.
    asks : str
        What it asks for, in our words.
    supports : str
        What the records have to say about it.
    section : str
        Anchor of the section of the report that shows it.
    questions : tuple of int
        Numbers of the auditor's questions about it.
    evidence : str
        Commands that show more; may be empty.
    confirmed : bool
        Whether the number of the paragraph was seen in the text of the rule.
    """

    statute: str
    article: str
    asks: str
    supports: str
    section: str
    questions: tuple[int, ...]
    evidence: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Framework:
    """A set of rules: its name, whom it binds, what is to be said first, and its articles."""

    id: str
    title: str
    binds: str
    note: str
    articles: tuple[Article, ...]

    @property
    def questions(self) -> tuple[int, ...]:
        """Every question that an article names, ascending."""
        return tuple(sorted({number for each in self.articles for number in each.questions}))


def read_framework(name: str) -> Framework:
    """Return the mapping of a framework.

    Raises
    ------
    UnknownFrameworkError
        If there is none of that name.
    """
    if name not in FRAMEWORKS:
        raise UnknownFrameworkError(
            f"there is no framework {name!r}",
            where="assay report --framework",
            why="a mapping from articles to sections is kept for each framework",
            fix=f"name one of {', '.join(FRAMEWORKS)}",
        )
    text = files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8")
    data = json.loads(text)
    articles = tuple(
        Article(**{**each, "questions": tuple(each["questions"])}) for each in data.pop("articles")
    )
    return Framework(**data, articles=articles)
