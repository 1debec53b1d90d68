"""The two sides of a barbell and the room that caps leave them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.optimization.barbell import part, sides, with_room
from pipeline.optimization.constraints import Limits
from pipeline.optimization.engines.custom import barbell
from tests.pipeline.optimization.markets import make_problem


def test_sides_are_disjoint_and_complete() -> None:
    """Sixteen assets in eight clusters: four leaders, eight in the core, four held by nobody."""
    found = sides(make_problem(16, 8))
    led = {column % 8 for column in found.leaders}
    assert len(found.leaders) == len(led) == 4
    assert {column % 8 for column in found.core} == set(range(8)) - led
    assert len(found.core) == 8
    assert found.aggressive == pytest.approx(0.1)


def test_leaders_are_given_up_until_the_core_has_room() -> None:
    """Six clusters at 25 %: three leaders leave 75 %, two leave 100 %."""
    found = sides(make_problem(12, 6, 0.25, 0.25))
    assert (len(found.leaders), found.core_room) == (2, 1.0)


def test_the_last_leader_takes_what_the_core_cannot() -> None:
    """Two assets at 95 % with a share of 3 %: the core holds 95 %, the leader 5 %."""
    problem = replace(make_problem(2, 2, 0.95), aggressive_share=0.03)
    assert sides(problem).aggressive == pytest.approx(0.05)


def test_caps_of_the_leaders_lower_the_aggressive_side() -> None:
    """A share of 50 % with one leader capped at 30 %: 30 %, the core takes 70 %."""
    problem = replace(make_problem(6, 3, 0.3, 0.6), aggressive_share=0.5)
    assert sides(problem).aggressive == pytest.approx(0.3)


def test_relax_raises_caps_until_the_core_fits() -> None:
    """Four clusters at 25 %: the core of three must hold 90 %, so caps become 30 %."""
    asked = with_room(make_problem(12, 4, 0.25, 0.25), "relax")
    assert asked.caps.cluster_cap == pytest.approx(0.3)
    assert asked.caps.symbol_cap == pytest.approx(0.3)
    assert (asked.caps.rule, asked.caps.cluster_cap_requested) == ("relax", 0.25)
    told = barbell(asked).residuals
    assert told["aggressive_share"] == pytest.approx(0.1)


def test_cash_keeps_what_the_core_cannot_hold() -> None:
    """Four clusters at 25 %: leader 10 %, core 75 %, the rest is cash."""
    asked = with_room(make_problem(12, 4, 0.25, 0.25), "cash")
    assert asked.limits.total == pytest.approx(0.85)
    assert asked.caps.rule == "cash"
    answer = barbell(asked)
    assert answer.residuals["aggressive_share"] == pytest.approx(0.1)
    assert answer.weights is not None
    assert answer.weights.sum() == pytest.approx(0.85)


@pytest.mark.parametrize("rule", ["stop", "relax", "cash"])
def test_room_enough_changes_nothing(rule: str) -> None:
    """Eight clusters at 25 % have room; so has a single cluster, which has no sides."""
    roomy, single = make_problem(16, 8, 0.25, 0.25), make_problem(3, 1)
    assert with_room(roomy, rule) is roomy  # type: ignore[arg-type]
    assert with_room(single, rule) is single  # type: ignore[arg-type]


def test_stop_changes_nothing() -> None:
    """The declared rule is the only reason to touch a cap."""
    tight = make_problem(12, 4, 0.25, 0.25)
    assert with_room(tight, "stop") is tight


def test_part_renumbers_columns() -> None:
    """Columns 1 and 3 become 0 and 1, with their caps and clusters."""
    limits = Limits(1.0, np.array([0.1, 0.2, 0.3, 0.4]), 0.5, ((0, 1), (2, 3)))
    found = part(limits, [1, 3], [(3,), (1,)], 0.5)
    assert found.upper.tolist() == [0.2, 0.4]
    assert (found.clusters, found.total, found.cluster_cap) == (((1,), (0,)), 0.5, 0.5)
