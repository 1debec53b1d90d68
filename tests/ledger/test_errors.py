"""Errors have four parts, a code and an exit code."""

from __future__ import annotations

import inspect

# Errors of a worker process reach its parent this way.
import pickle
import re
from itertools import pairwise

import pytest

import ledger
from ledger import IntegrityError, LedgerError, LockedError, TimestampError

KINDS = [
    each
    for each in vars(ledger).values()
    if inspect.isclass(each) and issubclass(each, LedgerError)
]


def test_text_has_four_parts() -> None:
    """The text that the command line prints."""
    error = IntegrityError(what="a", where="b", why="c", fix="d")
    assert str(error) == "error[E0101]: a\n  where  b\n  why    c\n  fix    d"


@pytest.mark.parametrize("kind", KINDS)
def test_kind_survives_a_process_boundary(kind: type[LedgerError]) -> None:
    """A pool hands errors to its parent as bytes."""
    error = kind(what="a", where="b", why="c", fix="d")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(copy), str(copy)) == (kind, str(error))


def test_codes_are_distinct() -> None:
    """One kind, one code."""
    codes = sorted(kind.code for kind in KINDS)
    assert all(re.fullmatch(r"E01\d\d", code) for code in codes)
    assert all(one != other for one, other in pairwise(codes))


def test_exit_codes_are_those_of_the_interface() -> None:
    """3 is an integrity breach and nothing else; 75 asks to try again."""
    for kind in KINDS:
        assert (kind.exit_code == 3) == issubclass(kind, IntegrityError)
        assert (kind.exit_code == 75) == issubclass(kind, (LockedError, TimestampError))
        assert kind.exit_code in (2, 3, 70, 75)
