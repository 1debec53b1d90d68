"""Programmes with costs of trading: what a change of weight costs, beside what weights are worth.

`minimise x'Px / 2 + q'x + c'|u| + k'|u|^(3/2)  subject to  Ex = e,  Gx <= h,  sum |u| <= room`,
where `u` is what is traded: the first entries of `x` less what is held. Absolute values become
variables of their own, powers become power cones, and Clarabel solves the whole.

Near the solution it is known who is bought, sold and left alone. With these signs the costs are
smooth, so that the conditions of optimality are equations which `quadratic.polished` solves; where
there are powers, Newton's method solves them in a few steps. What is left alone is then held to the
last bit, and the conditions hold to rounding. A wrong guess is found out and the point of the
solver stands.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import clarabel
import numpy as np

from pipeline.optimization.quadratic import (
    LinearSet,
    QuadraticProgram,
    called,
    polished,
)

if TYPE_CHECKING:
    from pipeline.optimization.quadratic import PrimalDual
    from pipeline.values import FloatArray

SOLVED = frozenset({"optimal", "optimal_inaccurate"})
"""Statuses with a point."""

NEWTON_STEPS = 24
"""Steps after which the powers are as exact as they get; near the end each squares the error."""

PATIENCE = 6
"""Steps without a gain after which Newton's method has found what it can."""

SIGN_ROUNDS = 8
"""Guesses of who is bought, sold and left alone."""

PULL = 1e-12
"""A slope beyond the costs by no more than this is rounding."""

ROUNDING = 1e-15
"""Violations that cannot be made smaller."""

_FIRST_TRADE = 1e-9
"""Where Newton's method starts a trade that crossed zero."""

_SMALLEST_TRADE = 1e-14
"""Trades below this have the curvature of one of this size: that of none is infinite."""

_POWER = 2.0 / 3.0
"""`s^(2/3) >= |u|` says that `s` is at least `|u|^(3/2)`."""


@dataclass(frozen=True, slots=True, eq=False)
class Frictions:
    """Costs of the first entries of `x`, and how much of them may be traded.

    Attributes
    ----------
    held : ndarray of shape (n,)
        Where trading starts.
    linear, root : ndarray of shape (n,)
        `c` and `k` of the module docstring, not negative.
    room : float or None
        Most that may be traded, the sum of absolute values.
    """

    held: FloatArray
    linear: FloatArray
    root: FloatArray
    room: float | None = None

    def conjugate(self, slopes: FloatArray, turnover: float) -> float:
        """Return the most by which `slopes'u` exceeds costs and `turnover * sum |u|`, over all `u`.

        It is 0 for slopes within the linear costs and `turnover`; beyond them only powers hold
        them back, and without a power (`root` 0) what exceeds must be rounding and is left out.
        """
        beyond = np.maximum(np.abs(slopes) - self.linear - turnover, 0.0)
        held = self.root > 0.0
        found: FloatArray = 4.0 / 27.0 * beyond[held] ** 3 / self.root[held] ** 2
        return math.fsum(found.tolist())

    @property
    def absolute(self) -> bool:
        """Whether absolute values matter."""
        return self.room is not None or bool(self.linear.any())

    def cost(self, x: FloatArray) -> float:
        """Return `c'|u| + k'|u|^(3/2)`."""
        u = np.abs(x[: len(self.held)] - self.held)
        return math.fsum((self.linear * u).tolist()) + math.fsum(
            (self.root * u * np.sqrt(u)).tolist()
        )

    def root_slope(self, x: FloatArray) -> FloatArray:
        """Return the derivative of `k'|u|^(3/2)`."""
        u = x[: len(self.held)] - self.held
        slope: FloatArray = 1.5 * self.root * np.sqrt(np.abs(u)) * np.sign(u)
        return slope


@dataclass(frozen=True, slots=True, eq=False)
class Traded:
    """How the programme ended.

    Attributes
    ----------
    found : PrimalDual
        Point and multipliers of `Ex = e` and `Gx <= h`.
    trades : ndarray of shape (n,)
        The slope at which `c'|u|` and the room are met: at most `linear + turnover` in size, and
        of that size, with the sign of the trade, wherever something is traded.
    turnover : float
        Multiplier of the room, not negative.
    residuals : dict of str to float
        As `quadratic.residuals`, frictions included.
    """

    found: PrimalDual
    trades: FloatArray
    turnover: float
    residuals: dict[str, float]


def solve_traded(program: QuadraticProgram, frictions: Frictions) -> Traded:
    """Solve `program` with `frictions`; the status is that of `found`."""
    raw = _cone_point(program, frictions)
    if raw.found.status not in SOLVED:
        return raw
    return _exact(program, frictions, raw)


def _worst(ended: Traded) -> float:
    return max(ended.residuals.values())


def _cone_point(program: QuadraticProgram, frictions: Frictions) -> Traded:
    """Return what the solver finds for the programme with its further variables."""
    points, m, n = program.points, len(program.q), len(frictions.held)
    rooted = np.flatnonzero(frictions.root)
    sizes = n if frictions.absolute else 0
    width, first = m + sizes + len(rooted), len(points.h)
    trade = np.zeros((n, width))
    trade[:, :n] = np.eye(n)
    costs = np.concatenate((program.q, frictions.linear[:sizes], frictions.root[rooted]))
    blocks, right = [_wide(points.G, width)], [points.h]
    if sizes:
        size = np.zeros((n, width))
        size[:, m : m + n] = np.eye(n)
        blocks += [trade - size, -trade - size]
        right += [frictions.held, -frictions.held]
    if frictions.room is not None:
        blocks.append(np.concatenate((np.zeros(m), np.ones(n), np.zeros(len(rooted))))[None, :])
        right.append(np.array([frictions.room]))
    below, cones = np.concatenate(right), []
    powers = np.zeros((3 * len(rooted), width))
    level = np.zeros(3 * len(rooted))
    for row, i in enumerate(rooted.tolist()):
        powers[3 * row, m + sizes + row] = powers[3 * row + 2, i] = -1.0
        level[3 * row + 1], level[3 * row + 2] = 1.0, -frictions.held[i]
        cones.append(clarabel.PowerConeT(_POWER))
    curvature = np.zeros((width, width))
    curvature[:m, :m] = program.P
    wide = QuadraticProgram(
        curvature,
        costs,
        LinearSet(
            _wide(points.E, width),
            points.e,
            np.concatenate((*blocks, powers)),
            np.concatenate((below, level)),
        ),
    )
    found = called(wide, len(below), cones)
    z = np.maximum(found.z, 0.0)
    trades = z[first : first + n] - z[first + n : first + 2 * n] if sizes else np.zeros(n)
    turnover = float(z[first + 2 * n]) if frictions.room is not None else 0.0
    ended = replace(found, x=found.x[:m], z=found.z[:first])
    if found.status not in SOLVED:
        return Traded(ended, trades, turnover, {})
    reach = frictions.linear + turnover
    return _judged(program, frictions, ended, np.clip(trades, -reach, reach), turnover)


def _exact(program: QuadraticProgram, frictions: Frictions, raw: Traded) -> Traded:
    """Return the best of the points at which the conditions hold for some signs of the trades.

    The first signs are those of `raw`. Whoever then trades against their sign is left alone, and
    whoever is left alone at a slope beyond the costs trades.
    """
    n, best = len(frictions.held), raw
    u = raw.found.x[:n] - frictions.held
    reach = frictions.linear + raw.turnover
    signs = np.where((reach > 0.0) & (np.abs(u) < reach - np.abs(raw.trades)), 0.0, np.sign(u))
    seen: set[bytes] = set()
    while len(seen) < SIGN_ROUNDS and signs.tobytes() not in seen:
        seen.add(signs.tobytes())
        ended = _with_signs(program, frictions, best, signs)
        if _worst(ended) < _worst(best):
            best = ended
        u, reach = ended.found.x[:n] - frictions.held, frictions.linear + ended.turnover
        stays = (signs * u > _SMALLEST_TRADE) | (reach == 0.0)
        pulled = (signs == 0.0) & (np.abs(ended.trades) > reach + PULL)
        signs = np.where(pulled, np.sign(ended.trades), np.where(stays, signs, 0.0))
    return best


def _with_signs(
    program: QuadraticProgram, frictions: Frictions, start: Traded, signs: FloatArray
) -> Traded:
    """Return the point at which the conditions hold if trades have these signs, 0 for none."""
    n, points, found = len(frictions.held), program.points, start.found
    costly = frictions.linear + start.turnover > 0.0
    kept = np.flatnonzero((signs == 0.0) & costly)
    fixed = np.zeros((len(kept), len(found.x)))
    fixed[np.arange(len(kept)), kept] = 1.0
    limit = np.zeros((0 if frictions.room is None else 1, len(found.x)))
    limit[:, :n] = signs
    room = (
        []
        if frictions.room is None
        else [frictions.room + math.fsum((signs * frictions.held).tolist())]
    )
    narrow = LinearSet(
        np.concatenate((points.E, fixed)),
        np.concatenate((points.e, frictions.held[kept])),
        np.concatenate((points.G, limit)),
        np.concatenate((points.h, room)),
    )
    costs = program.q.copy()
    costs[:n] += frictions.linear * signs
    root = frictions.root.copy()
    root[kept] = 0.0
    powers = replace(frictions, root=root)
    point = replace(
        found,
        y=np.concatenate((found.y, start.trades[kept])),
        z=np.concatenate((found.z, [start.turnover] * len(limit))),
    )
    best, idle = start, 0
    for _ in range(NEWTON_STEPS if frictions.root.any() else 1):
        at = _on_their_side(point.x, frictions, np.where(costly, signs, 0.0))
        point = polished(_smoothed(program, powers, costs, narrow, at), point, strict=False)
        turnover = max(0.0, float(point.z[-1])) if len(limit) else 0.0
        trades = signs * (frictions.linear + turnover)
        trades[kept] = point.y[len(points.e) :]
        point.x[kept] = frictions.held[kept]  # the root of a rounding error is none
        told = replace(point, y=point.y[: len(points.e)], z=point.z[: len(points.h)])
        ended = _judged(program, frictions, told, trades, turnover)
        better = best is start or _worst(ended) < _worst(best)
        best, idle = (ended, 0) if better else (best, idle + 1)
        if idle == PATIENCE or _worst(best) <= ROUNDING:
            break
    return best


def _on_their_side(x: FloatArray, frictions: Frictions, signs: FloatArray) -> FloatArray:
    """Return `x` with trades of the wrong sign, or of none, made small ones of the right sign."""
    n = len(frictions.held)
    moved = x.copy()
    wrong = (signs != 0.0) & (signs * (x[:n] - frictions.held) <= 0.0)
    moved[:n][wrong] = (frictions.held + signs * _FIRST_TRADE)[wrong]
    return moved


def _smoothed(
    program: QuadraticProgram,
    frictions: Frictions,
    costs: FloatArray,
    points: LinearSet,
    x: FloatArray,
) -> QuadraticProgram:
    """Return the programme with the powers replaced by their parabolas at `x`."""
    n = len(frictions.held)
    if not frictions.root.any():
        return QuadraticProgram(program.P, costs, points)
    size = np.maximum(np.abs(x[:n] - frictions.held), _SMALLEST_TRADE)
    bend = np.zeros(len(x))
    bend[:n] = 0.75 * frictions.root / np.sqrt(size)
    slope = costs - bend * x
    slope[:n] += frictions.root_slope(x)
    return QuadraticProgram(program.P + np.diag(bend), slope, points)


def _judged(
    program: QuadraticProgram,
    frictions: Frictions,
    found: PrimalDual,
    trades: FloatArray,
    turnover: float,
) -> Traded:
    """Return the end with the violations of its conditions of optimality, all zero at a minimum.

    `gap` is what complementary slackness leaves open: prices of limits that are not reached.
    """
    points, x, n = program.points, found.x, len(frictions.held)
    size = np.abs(x[:n] - frictions.held)
    slope = program.q + (program.P * x).sum(axis=1)
    slope = slope + (points.E * found.y[:, None]).sum(axis=0)
    slope = slope + (points.G * found.z[:, None]).sum(axis=0)
    slope[:n] += trades + frictions.root_slope(x)
    slack = points.h - (points.G * x).sum(axis=1)
    open_ = [*(found.z * slack).tolist(), *(frictions.linear * size).tolist()]
    open_ += (0.0 - trades * (x[:n] - frictions.held)).tolist()
    primal = [float(np.abs((points.E * x).sum(axis=1) - points.e).max(initial=0.0))]
    primal.append(float((-slack).max(initial=0.0)))
    if frictions.room is not None:
        primal.append(math.fsum(size.tolist()) - frictions.room)
        open_.append(turnover * frictions.room)
    over = float((np.abs(trades) - frictions.linear - turnover).max(initial=0.0))
    dual = max(float(np.abs(slope).max()), float((-found.z).max(initial=0.0)), over)
    scale = max(1.0, float(np.abs(program.P).max()))
    told = {
        "primal": max(0.0, *primal),
        "dual": dual / scale,
        "gap": abs(math.fsum(open_)) / scale,
    }
    return Traded(found, trades, turnover, told)


def _wide(matrix: FloatArray, width: int) -> FloatArray:
    return np.concatenate((matrix, np.zeros((len(matrix), width - matrix.shape[1]))), axis=1)
