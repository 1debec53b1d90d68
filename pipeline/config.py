"""The manifest: what a run does, as one model.

Every key has one default, a unit in its name where it has a unit, and a sentence that says what it
does. Unknown keys are refused. Reading files, inheritance, environment overrides and the origin of
each value are in `flows.settings`; here is only the shape and what can be checked without data.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

EngineName: TypeAlias = str
StaticRiskProfile: TypeAlias = Literal[
    "equal_weight",
    "benchmark",
    "market",
    "min_variance",
    "max_sharpe",
    "max_diversification",
    "min_cvar",
    "risk_parity",
    "hrp",
    "herc",
    "herc_cvar",
    "barbell",
    "black_litterman",
    "market_neutral",
]
RiskProfile: TypeAlias = Literal[StaticRiskProfile, "adaptive"]
RegimeName: TypeAlias = Literal["quiet", "normal", "turbulent", "crisis"]

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
Days = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """Base of every section: frozen, unknown keys refused, descriptions from docstrings."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )


class SourceParams(Section):
    """Where the prices come from."""

    kind: str = "sample"
    """`sample`, `parquet`, `csv`, or the name of a source registered by entry point."""
    dataset: Literal["sp500", "factors"] = "sp500"
    """For `sample`: which of the price sets shipped inside skfolio."""
    path: str | None = None
    """For `parquet` and `csv`: the file, relative to the manifest."""
    symbols: tuple[str, ...] | None = None
    """Which symbols to use; `null` takes all that the source has."""
    price: Literal["adjusted", "raw"] = "adjusted"
    """`adjusted` uses `adj_close` where the source has it, else `close`; `raw` uses `close`."""
    first_date: str | None = None
    """First market day to use, `YYYY-MM-DD`; `null` takes the first the source has."""
    last_date: str | None = None
    """Last market day to use, `YYYY-MM-DD`; `null` takes the last the source has."""
    history_years: Annotated[int, Field(ge=1)] | None = None
    """Use only this many calendar years before the last date; `null` takes all."""


class DataParams(Section):
    """Prices, their calendar and what counts as healthy."""

    source: SourceParams = SourceParams()
    """Where the prices come from."""
    calendar: str = "XNYS"
    """`24x7` (365 days a year), or an exchange code known to exchange_calendars (252 a year)."""
    lookback_days: Days = 500
    """Market days before the decision date that the health check looks at."""
    floor_days: Days = 252
    """Bars a symbol must have within the lookback; fewer and it is dropped."""
    strict_health: bool = True
    """Stop the run when a symbol that would be used is missing, stale or degraded."""
    tolerated_gap_sessions: Annotated[int, Field(ge=0)] = 1
    """Longest hole, in sessions, that is tolerated on a session calendar (24x7 tolerates none)."""
    tolerated_total_pct: Annotated[float, Field(ge=0.0, le=100.0)] = 2.0
    """Most sessions, in percent of those expected, that may be missing in total."""
    stale_sessions: Annotated[int, Field(ge=0)] = 1
    """Expected sessions that may lie between a symbol's last bar and the decision date."""
    zero_variance_limit: NonNegative = 1e-9
    """A symbol whose daily returns have a standard deviation at or below this is dropped."""
    return_limit: Positive = 5.0
    """A symbol with an absolute daily return above this (5.0 is 500 %) is degraded."""


class WalkForwardParams(Section):
    """Geometry of the walk-forward, in market days."""

    train_days: Days = 252
    """Rows a decision learns from, ending on the decision date."""
    test_days: Days = 10
    """Rows a decision is held for."""
    step_days: Days = 10
    """Rows between two decisions; must equal `test_days`, so that holdings carry over."""

    @model_validator(mode="after")
    def _windows_tile(self) -> WalkForwardParams:
        if self.step_days != self.test_days:
            msg = (
                f"step_days is {self.step_days} and test_days is {self.test_days}; they must be "
                "equal, because holdings carry from one window into the next"
            )
            raise ValueError(msg)
        return self


class RegimeParams(Section):
    """The market-state detector."""

    recent_days: Days = 10
    """Rows whose volatility is compared with the baseline before them."""
    baseline_days: Days = 120
    """Rows of the baseline; they end where the recent rows begin."""
    entropy_days: Days = 64
    """Rows of the permutation entropy."""
    entropy_order: Annotated[int, Field(ge=2, le=6)] = 3
    """Order of the permutation entropy."""
    hmm_ratio_min: Positive = 1.5
    """Least ratio of the two standard deviations for the HMM to be accepted."""
    hmm_probability_min: Fraction = 0.7
    """Least filtered probability of the high-variance state for it to count."""
    quiet_below: Fraction = 0.25
    """Score below which the regime is quiet."""
    turbulent_above: Fraction = 0.75
    """Score above which the regime is turbulent."""
    crisis_above: Fraction = 0.9
    """Score above which the regime is crisis."""


class SelectionParams(Section):
    """Universe, vetoes, scores and clusters."""

    feature_days: Days = 120
    """Rows from which entropy, Hurst and efficiency are computed."""
    momentum_skip_days: Annotated[int, Field(ge=0)] = 21
    """Most recent rows left out of the momentum."""
    entropy_order: Annotated[int, Field(ge=2, le=6)] = 3
    """Order of the permutation entropy."""
    entropy_null_percentile_max: Fraction = 0.99
    """Veto a symbol whose entropy lies above this percentile of simulated noise."""
    efficiency_null_percentile_min: Fraction = 0.01
    """Veto a symbol whose efficiency lies below this percentile of simulated noise."""
    hurst_null_half_width: Fraction = 0.0
    """Veto a symbol whose Hurst exponent lies within this share of noise around its median."""
    volatility_max: Positive = 2.5
    """Veto a symbol whose annual volatility is above this (2.5 is 250 %)."""
    weights: dict[str, float] = {
        "momentum": 1.0,
        "stability": 1.0,
        "efficiency": 0.5,
        "predictability": 0.5,
    }
    """Weight of each feature's cross-sectional rank in the score."""
    cluster_count: Annotated[int, Field(ge=1)] = 8
    """Most clusters the universe is cut into."""
    correlation_shrinkage: Fraction = 0.01
    """How far correlations are shrunk towards the identity before clustering."""
    top_per_cluster: Annotated[int, Field(ge=1)] = 3
    """Symbols taken from each cluster, best score first."""
    top_rule: Literal["fixed", "dispersion"] = "fixed"
    """`dispersion` takes more symbols from clusters whose members differ more."""
    top_exponent: NonNegative = 0.5
    """For `dispersion`: power of a cluster's dispersion over the median one."""
    top_cluster_max: Annotated[int, Field(ge=1)] = 6
    """For `dispersion`: most symbols of one cluster."""
    top_total_max: Annotated[int, Field(ge=1)] = 25
    """For `dispersion`: most symbols of all clusters together."""
    minimum_selected: Annotated[int, Field(ge=1)] = 2
    """Fewer than this many survivors and the vetoes other than health are relaxed, recorded."""


class Cell(Section):
    """One engine and one risk profile."""

    engine: EngineName = "custom"
    """Which library solves: `custom`, `skfolio`, an extra (`riskfolio`, `pyportfolioopt`,
    `cvxportfolio`) or an engine registered by entry point."""
    risk_profile: RiskProfile = "equal_weight"
    """What is solved for."""

    @property
    def label(self) -> str:
        """`engine.risk_profile`, as used in record ids."""
        return f"{self.engine}.{self.risk_profile}"


class CapParams(Section):
    """Upper limits of a weight, by regime, as fractions of NAV."""

    quiet: Fraction = 0.25
    """Cap while the regime is quiet."""
    normal: Fraction = 0.25
    """Cap while the regime is normal."""
    turbulent: Fraction = 0.20
    """Cap while the regime is turbulent."""
    crisis: Fraction = 0.15
    """Cap while the regime is crisis."""

    def of(self, regime: RegimeName) -> float:
        """Return the cap of `regime`."""
        return float(getattr(self, regime))


class BlackLittermanParams(Section):
    """Equilibrium and views of `black_litterman`."""

    risk_aversion: Positive = 2.5
    """Excess return per unit of variance that the equilibrium pays."""
    tau: Positive = 0.05
    """Variance of the equilibrium returns as a share of the variance of returns."""
    view_clusters: Annotated[int, Field(ge=0)] = 3
    """How many clusters, those with the clearest trend, get a view; 0 leaves the equilibrium."""
    confidence: Fraction = 0.5
    """Confidence in the views: 0 ignores them, 1 takes them as certain."""
    quiet: NonNegative = 0.08
    """Annual excess return of a view while the regime is quiet; its sign is that of the trend."""
    normal: NonNegative = 0.08
    """The same while the regime is normal."""
    turbulent: NonNegative = 0.05
    """The same while the regime is turbulent."""
    crisis: NonNegative = 0.10
    """The same while the regime is crisis."""

    def of(self, regime: RegimeName) -> float:
        """Return the annual size of a view in `regime`."""
        return float(getattr(self, regime))


class AdaptiveParams(Section):
    """Which risk profile `adaptive` uses: that of the quadrant where one is known, else regime."""

    quiet: StaticRiskProfile = "equal_weight"
    """While the regime is quiet."""
    normal: StaticRiskProfile = "max_sharpe"
    """While the regime is normal."""
    turbulent: StaticRiskProfile = "hrp"
    """While the regime is turbulent."""
    crisis: StaticRiskProfile = "hrp"
    """While the regime or the quadrant is crisis."""
    expansion: StaticRiskProfile = "max_sharpe"
    """In the quadrant of growth without stress."""
    inflationary_trend: StaticRiskProfile = "barbell"
    """In the quadrant of growth with stress."""
    stagnation: StaticRiskProfile = "min_variance"
    """In the quadrant without growth and without stress."""

    def of(self, regime: RegimeName, quadrant: str | None) -> StaticRiskProfile:
        """Return the risk profile of `quadrant`, or of `regime` where there is no quadrant.

        Raises
        ------
        KeyError
            If there is no quadrant of this name.
        """
        chosen: StaticRiskProfile = dict(self)[quadrant or regime]
        return chosen


class RidgeParams(Section):
    """What `l2_penalty` is multiplied by: by the quadrant where one is known, else by regime."""

    quiet: NonNegative = 1.0
    """While the regime is quiet."""
    normal: NonNegative = 1.0
    """While the regime is normal."""
    turbulent: NonNegative = 1.0
    """While the regime is turbulent."""
    crisis: NonNegative = 1.0
    """While the regime or the quadrant is crisis."""
    expansion: NonNegative = 1.0
    """In the quadrant of growth without stress."""
    inflationary_trend: NonNegative = 1.0
    """In the quadrant of growth with stress."""
    stagnation: NonNegative = 1.0
    """In the quadrant without growth and without stress."""

    def of(self, regime: RegimeName, quadrant: str | None) -> float:
        """Return the factor of `quadrant`, or of `regime` where there is no quadrant.

        Raises
        ------
        KeyError
            If there is no quadrant of this name.
        """
        return float(dict(self)[quadrant or regime])


class TradingParams(Section):
    """What a decision knows of the book it changes: turnover and the costs of trading."""

    turnover_penalty: NonNegative = 0.0
    """Penalty on each unit of traded weight, in units of the mean variance."""
    turnover_limit: Positive | None = None
    """Most one-way turnover of a decision (half the traded weight, cash included); `null` is no
    limit. The first purchase of an empty book is not limited."""
    infeasible_turnover: Literal["stop", "relax"] = "stop"
    """A limit that no allowed weights keep: stop, or take the least turnover that they need."""
    linear_bps: NonNegative = 0.0
    """Cost in basis points of traded value."""
    linear_bps_of: dict[str, NonNegative] = {}
    """The same for single symbols."""
    impact_coefficient: NonNegative = 0.0
    """Square-root law: cost per traded value is this times the daily volatility times the root of
    traded value over daily volume."""
    daily_volume: Positive | None = None
    """Traded value of a symbol on an average day, in multiples of NAV; needed for the impact."""
    daily_volume_of: dict[str, Positive] = {}
    """The same for single symbols."""
    holding_days: Days | None = None
    """Rows over which a cost is spread; `null` takes `walk_forward.step_days`."""
    risk_aversion: Positive = 2.0
    """Return per unit of variance that weighs a cost against a variance."""

    @property
    def used(self) -> bool:
        """Whether a decision depends on what is held."""
        return self.turnover_limit is not None or self.priced

    @property
    def priced(self) -> bool:
        """Whether trading has a price in the objective."""
        return bool(self.turnover_penalty) or self.linear or self.rooted

    @property
    def linear(self) -> bool:
        """Whether there are costs in proportion to traded value."""
        return self.linear_bps > 0.0 or any(bps > 0.0 for bps in self.linear_bps_of.values())

    @property
    def rooted(self) -> bool:
        """Whether there are costs by the square-root law."""
        return self.impact_coefficient > 0.0


class OptimizationParams(Section):
    """What is solved and within which limits."""

    cells: Annotated[tuple[Cell, ...], Field(min_length=1)] = (Cell(),)
    """Every engine and risk profile to solve in each window."""
    symbol_caps: CapParams = CapParams()
    """Most that one symbol may weigh."""
    cluster_caps: CapParams = CapParams()
    """Most that one cluster may weigh."""
    infeasible_caps: Literal["stop", "relax", "cash"] = "stop"
    """Caps that cannot sum to 1: stop, raise all by the least common factor, or hold cash."""
    fallback: tuple[Cell, ...] = ()
    """Cells tried in this order when a solve fails; empty lets the failure stand."""
    consensus: tuple[EngineName, ...] = ()
    """Other engines that solve every problem too; what they say is recorded."""
    consensus_rule: Literal["record", "stop"] = "record"
    """What a disagreement without a known reason does: it is recorded, or it closes the gate."""
    risk_free_rate: float = 0.0
    """Annual risk-free rate used by `max_sharpe`."""
    l2_penalty: NonNegative = 0.0
    """Ridge on the weights, in units of the mean variance."""
    barbell_shares: CapParams = CapParams(quiet=0.15, normal=0.10, turbulent=0.05, crisis=0.03)
    """Total weight of the barbell's aggressive side, by regime."""
    barbell_leaders_max: Annotated[int, Field(ge=1)] = 5
    """Most clusters on the aggressive side."""
    benchmark_symbols: tuple[str, ...] = ()
    """What `market` holds in equal parts; also the reference of `black_litterman` and
    `market_neutral`, which without it is all symbols in equal parts."""
    tail_level: Annotated[float, Field(ge=0.5, lt=1.0)] = 0.95
    """Share of the rows outside the tail that `min_cvar` and `herc_cvar` measure."""
    black_litterman: BlackLittermanParams = BlackLittermanParams()
    """Equilibrium and views of `black_litterman`."""
    beta_limits: Annotated[tuple[Positive, ...], Field(min_length=1)] = (0.05, 0.15, 0.25)
    """Largest absolute beta of `market_neutral`; where one is infeasible the next is tried."""
    adaptive: AdaptiveParams = AdaptiveParams()
    """Which risk profile `adaptive` uses."""
    covariance_estimator: Literal[
        "sample", "ledoit_wolf", "constant_correlation", "exponential", "regime"
    ] = "sample"
    """How the covariance is estimated; `regime` shrinks more under stress."""
    mean_estimator: Literal["sample", "shrunk"] = "sample"
    """How expected returns are estimated; `shrunk` draws them towards their average."""
    half_life_years: Positive = 0.25
    """Age at which `exponential` weighs a row half, in years of the calendar."""
    shrinkage_lifts: CapParams = CapParams(quiet=0.0, normal=0.0, turbulent=0.25, crisis=0.5)
    """How far `regime` goes from the intensity of Ledoit and Wolf to the most, by regime."""
    warmup_rows: Days = 30
    """Fewer rows of returns and nothing is optimised."""
    l2_multipliers: RidgeParams = RidgeParams()
    """What `l2_penalty` is multiplied by, by quadrant or regime."""
    sectors: dict[str, str] = {}
    """Symbol -> its sector."""
    sector_caps: CapParams | None = None
    """Most that one sector may weigh; `null` is no cap. Every symbol then needs a sector."""
    asset_classes: dict[str, str] = {}
    """Symbol -> its asset class."""
    asset_class_caps: CapParams | None = None
    """Most that one asset class may weigh; `null` is no cap."""
    symbol_floors: dict[str, Fraction] = {}
    """Least that a symbol weighs in windows that select it."""
    gross_limits: CapParams = CapParams(quiet=1.0, normal=1.0, turbulent=1.0, crisis=1.0)
    """Most that is invested; what is left stays in cash."""
    short_symbols: tuple[str, ...] = ()
    """Streams of inverted returns: their weight counts against the net exposure."""
    net_limits: tuple[float, float] | None = None
    """Least and most net exposure: weights less twice those of `short_symbols`."""
    trading: TradingParams = TradingParams()
    """Turnover and costs of trading from what is held."""

    @property
    def sided(self) -> bool:
        """Whether there are limits beyond the caps of symbols and clusters."""
        caps = self.sector_caps or self.asset_class_caps
        return bool(caps or self.symbol_floors) or self.net_limits is not None

    @model_validator(mode="after")
    def _net_limits_are_ordered(self) -> OptimizationParams:
        if self.net_limits is not None and self.net_limits[0] > self.net_limits[1]:
            msg = f"net_limits are {list(self.net_limits)}; the least must not exceed the most"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _cells_differ(self) -> OptimizationParams:
        labels = [cell.label for cell in self.cells]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            msg = f"cells named twice: {', '.join(twice)}; each is decided and recorded once"
            raise ValueError(msg)
        return self


class SimulationParams(Section):
    """What trading costs and how positions are kept."""

    simulator: Literal["vectorized"] = "vectorized"
    """Which simulator runs."""
    rebalance: Literal["window", "daily"] = "window"
    """Trade once at the start of each window, or every day back to target."""
    slippage_bps: NonNegative = 5.0
    """Slippage in basis points of traded value."""
    commission_bps: NonNegative = 1.0
    """Commission in basis points of traded value."""
    initial_nav: Positive = 1.0
    """NAV at the start, in the currency of the prices."""
    wealth_floor: Fraction = 0.01
    """Below this share of the initial NAV the book is liquidated and stays in cash."""


class MetaParams(Section):
    """How sleeves are combined."""

    cell: Cell = Cell(risk_profile="hrp")
    """Engine and risk profile that weigh the sleeves."""
    sleeve_cell: Cell = Cell(risk_profile="hrp")
    """Which portfolio of each sleeve is used."""
    proxies: tuple[RiskProfile, ...] = (
        "hrp",
        "min_variance",
        "max_sharpe",
        "equal_weight",
        "barbell",
    )
    """Risk profiles tried in this order when a sleeve lacks the wanted one."""
    sleeve_cap: Fraction = 0.95
    """Most that one sleeve may weigh."""
    train_days: Days = 252
    """Rows of sleeve returns that a decision learns from."""


class TournamentParams(Section):
    """How trials are compared; recorded before the first of them has a result."""

    rule: Literal[
        "sharpe",
        "sortino",
        "calmar",
        "annual_return",
        "total_return",
        "volatility",
        "max_drawdown",
    ] = "sharpe"
    """Measure after costs by which trials are ranked: highest first, `volatility` and
    `max_drawdown` lowest first."""
    blocks: Annotated[int, Field(ge=2, le=20, multiple_of=2)] = 16
    """Blocks of days whose halves are compared to estimate the probability of overfitting."""
    baseline: Cell = Cell()
    """Cell that every trial is compared with; it is walked too."""


class Sleeve(Section):
    """A run profile used as an asset."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    """Name of the sleeve in records: lower-case letters, digits, underscore."""
    profile: str
    """Run profile that the sleeve runs."""


class RunProfile(Section):
    """One run configuration, complete after inheritance."""

    description: str = ""
    """What this profile is for."""
    mode: Literal["research", "live"] = "research"
    """`live` starts only on what a second person approved, from a clean checkout."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 42
    """Seed of everything random."""
    data: DataParams = DataParams()
    """Prices, calendar, health."""
    walk_forward: WalkForwardParams = WalkForwardParams()
    """Geometry of the walk-forward."""
    regime: RegimeParams = RegimeParams()
    """Market-state detector."""
    selection: SelectionParams = SelectionParams()
    """Universe, vetoes, scores, clusters."""
    optimization: OptimizationParams = OptimizationParams()
    """Engines, risk profiles, limits."""
    simulation: SimulationParams = SimulationParams()
    """Costs and accounting."""
    sleeves: tuple[Sleeve, ...] = ()
    """Run profiles combined by `meta`; empty for a plain profile."""
    meta: MetaParams = MetaParams()
    """How the sleeves are combined."""
    tournament: TournamentParams = TournamentParams()
    """How the cells are compared by `assay tournament run`."""

    @model_validator(mode="after")
    def _lengths_agree(self) -> RunProfile:
        train, data = self.walk_forward.train_days, self.data
        if data.floor_days < train:
            msg = f"data.floor_days is {data.floor_days}; it must be at least train_days ({train})"
            raise ValueError(msg)
        if data.lookback_days < data.floor_days:
            msg = (
                f"data.lookback_days is {data.lookback_days}; it must be at least floor_days "
                f"({data.floor_days})"
            )
            raise ValueError(msg)
        if len(self.sleeves) == 1:
            msg = "sleeves has one entry; a meta-portfolio needs at least two, a plain profile none"
            raise ValueError(msg)
        return self


class ManifestProfile(RunProfile):
    """A run profile as written: it may extend another one of the same or the bundled manifest."""

    extends: str | None = None
    """Name of the profile whose values are the starting point."""


class Manifest(Section):
    """A file with several named run profiles."""

    model_config = ConfigDict(populate_by_name=True)

    schema_reference: str | None = Field(default=None, alias="$schema")
    """Where editors find the JSON Schema; written by `assay schema manifest`."""
    version: Literal[1] = 1
    """Version of the manifest format."""
    default_profile: str | None = None
    """Profile used when none is named; `null` takes the only or the first one."""
    profiles: dict[str, ManifestProfile]
    """Run profiles by name."""
