"""The auditor's questions: number, title, parameters, and what an answer means.

Each question is one statement over the published snapshot, in the file `q<number>.sql` beside this
module, so that an auditor can copy it into any DuckDB shell. A question whose full answer needs
data that is not recorded says so in its note, and answers from what is.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["text", "date", "count"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that narrows a question; NULL takes the default.

    Attributes
    ----------
    name : str
        As written in the statement, without `$`.
    kind : {"text", "date", "count"}
        How its text is read.
    default : str
        What NULL stands for, in words.
    """

    name: str
    kind: Kind
    default: str


@dataclass(frozen=True, slots=True)
class Question:
    """One question of an auditor.

    Attributes
    ----------
    number : int
        From 1; also the name of the file.
    title : str
        The question.
    tables : tuple of str
        What the statement reads.
    when_empty : str
        What it means when no row is returned.
    note : str
        What the answer does not show.
    parameters : tuple of Parameter
        All optional.
    """

    number: int
    title: str
    tables: tuple[str, ...]
    when_empty: str
    note: str
    parameters: tuple[Parameter, ...] = ()

    @property
    def sql(self) -> str:
        """The statement."""
        name = f"q{self.number:02d}.sql"
        return files("warehouse.questions").joinpath(name).read_text(encoding="utf-8")


_RUN = Parameter("run_id", "text", "all runs")
_LAST_RUN = Parameter("run_id", "text", "the newest run that has any")
_SLEEVE = Parameter("sleeve", "text", "all sleeves")
_RUNS = (
    Parameter("run_a", "text", "the second newest backtest or rebalance"),
    Parameter("run_b", "text", "the newest backtest or rebalance"),
)

QUESTIONS: tuple[Question, ...] = (
    Question(
        1,
        "Is the chain intact?",
        ("raw.records",),
        "Every record has the hash of its bytes (or is the stub of one that a later redaction "
        "names), names the record before, and counts on from it.",
        "Recomputed from the lines as they were loaded. Whether they are still what stands in the "
        "ledger, `assay verify` says; that nobody wrote the whole chain anew, question 2.",
    ),
    Question(
        2,
        "Has the tail been cut or rewritten since the last signed checkpoint?",
        ("raw.records", "raw.checkpoints"),
        "Every signed checkpoint has the root of the records it covers.",
        "Roots are recomputed here; the signatures were checked when the checkpoints were loaded. "
        "Who holds ledger and key can sign another history: pass `seen_size` and `seen_root` of a "
        "checkpoint that you kept elsewhere.",
        (
            Parameter("seen_size", "count", "no checkpoint of yours"),
            Parameter("seen_root", "text", "no checkpoint of yours (64 hexadecimal characters)"),
        ),
    ),
    Question(
        3,
        "Which decisions breached the cluster cap, by how much, under which regime?",
        ("metrics.fct_cap_usage",),
        "No recorded constraint of that kind exceeds its cap, neither the one in force nor the one "
        "asked for.",
        "`breach` tells a cap that was exceeded from one that was declared infeasible and relaxed.",
        (Parameter("kind", "text", "`cluster_cap` (or `symbol_cap`)"), _RUN),
    ),
    Question(
        4,
        "Which inputs did the weights of a day come from?",
        ("health.fct_intents", "meta.bdg_decision_upstreams", "meta.dim_snapshots"),
        "No decision was taken for that day, and none was in force on it.",
        "When the vendor delivered a bar is not recorded; `snapshot_recorded_at` is the earliest "
        "time at which the snapshot can be proven to have been here.",
        (
            Parameter("as_of", "date", "the newest decision date"),
            _RUN,
            Parameter("sleeve", "text", "all sleeves"),
        ),
    ),
    Question(
        5,
        "Which decisions ran on a dirty git tree, and is the difference preserved?",
        ("meta.dim_runs",),
        "Every run was made from a commit without changes.",
        "`diff_sha256` names the blob with the difference; `assay verify --blobs` reads it. "
        "Untracked files are recorded by digest only.",
    ),
    Question(
        6,
        "What changed between two runs: code, lock, manifest, environment?",
        ("meta.dim_runs", "meta.dim_run_fields"),
        "Both runs record the same commit, lock, manifest and environment, or there is one run "
        "only.",
        "The manifest is compared by digest; question 7 names the parameters.",
        _RUNS,
    ),
    Question(
        7,
        "Which parameters differ between two runs, decision by decision?",
        ("health.fct_intents", "meta.dim_parameters"),
        "Every decision that both runs share was taken with the same parameters, and none is "
        "missing in either; or there is one run only.",
        "Decisions are matched by step, sleeve, cell and window.",
        _RUNS,
    ),
    Question(
        8,
        "How did the weights move between two runs?",
        ("metrics.fct_weights",),
        "Every target weight is the same in both runs, or there is one run only.",
        "Decisions are matched by sleeve, cell and decision date; a weight that one run lacks "
        "counts as zero.",
        _RUNS,
    ),
    Question(
        9,
        "Did any decision use data that was not yet known?",
        ("health.fct_intents", "meta.dim_snapshots"),
        "No decision may use rows after its date, and every snapshot was recorded before its use.",
        "Compares dates and the order of records. When a vendor knew a value is not recorded, so a "
        "value that the vendor restated before we fetched it does not show here.",
    ),
    Question(
        10,
        "What was the price series as known at decision time?",
        ("health.fct_intents", "meta.dim_snapshots"),
        "There is no such decision, or it used no prices.",
        "The prices themselves are the Parquet blob named in `blob`: columns symbol, date and "
        "fields; `slice_sha256` is the digest of exactly the rows that the decision could see. "
        "Bars carry no time of knowledge of their own.",
        (Parameter("decision_id", "text", "the newest optimisation"),),
    ),
    Question(
        11,
        "Which prices were restated after they had been used in a decision?",
        ("health.fct_intents",),
        "Wherever two decisions saw the same days of the same sleeve, they saw the same values.",
        "Compares digests of equal ranges, so it names range and decisions, not the single bar. A "
        "sleeve whose symbols were exchanged for as many others shows too.",
    ),
    Question(
        12,
        "Which decisions fell back to another solver, engine or risk profile, and from what?",
        ("health.fct_solver_outcomes", "health.fct_fallbacks"),
        "Every optimisation was solved by the engine and for the risk profile asked for.",
        "An attempt that is not recorded cannot show; the intent before it and the result after "
        "it are.",
        (_RUN,),
    ),
    Question(
        13,
        "Which intents have no outcome: crashed, killed, still running?",
        ("health.fct_intents", "meta.dim_runs"),
        "Every intent has an outcome that the process of its own run wrote.",
        "An intent is written before the work begins, so what died before its intent does not "
        "show; whether the process of an open run still lives, `assay status` says.",
        (_RUN,),
    ),
    Question(
        14,
        "Which decisions have been replayed, with what verdict; which never?",
        ("health.fct_intents", "meta.fct_replays"),
        "No decision was taken, or none has that verdict.",
        "The newest verdict of each decision; differences first, those never replayed last. A "
        "replay counts when it was recorded: one made elsewhere leaves no trace here.",
        (_RUN, Parameter("verdict", "text", "all (`never`, `exact`, `diverged`, ...)")),
    ),
    Question(
        15,
        "Who overrode what, with what approval (four eyes)?",
        ("meta.fct_approvals", "meta.fct_gate_verdicts"),
        "Nobody held a gate of live runs open, and no run says that somebody did.",
        "`four eyes`: the person who signed the override bears another name than the user who "
        "started the run. Both names are claims; the signature is checked by `assay verify`.",
    ),
    Question(
        16,
        "Which live runs used a manifest nobody else approved beforehand?",
        ("meta.fct_gate_verdicts", "meta.dim_runs"),
        "Before every live run that decided anything, an enrolled person other than the user who "
        "started it had approved its manifest, and nobody had withdrawn that.",
        "Asked of the approvals again, not of the verdict that the run recorded. `overridden` "
        "means that a second person held the gate open; question 15 says who and why.",
        (Parameter("gate", "text", "`manifest` (or `lock`, `code`, `tree`, `halt`)"),),
    ),
    Question(
        17,
        "Which live decisions used data that failed a health check at the time?",
        (
            "metrics.fct_weights",
            "health.fct_asset_health",
            "health.fct_status_spells",
            "meta.dim_runs",
        ),
        "No run of that kind holds a symbol whose check at the decision date had failed.",
        "Live means a run of kind `rebalance`; `closed` is a holiday and no failure. A gate that "
        "closed stops the run, so that no weights follow it.",
        (Parameter("kind", "text", "`rebalance`"), _RUN),
    ),
    Question(
        18,
        "Why was this symbol in the portfolio on this date, or why not?",
        (
            "health.fct_intents",
            "health.fct_asset_health",
            "meta.fct_selections",
            "meta.fct_vetoes",
            "metrics.fct_cap_usage",
            "metrics.fct_dropped_symbols",
            "metrics.fct_weights",
        ),
        "No decision was taken for that day, and none was in force on it.",
        "The first stage that kept the symbol out is the reason given; later stages did not see "
        "it. A symbol that was never ingested is not known to any stage.",
        (
            Parameter("symbol", "text", "all symbols"),
            Parameter("as_of", "date", "the newest decision date"),
            _RUN,
            _SLEEVE,
        ),
    ),
    Question(
        19,
        "Which orders have no decision behind them, or one that never completed?",
        (
            "metrics.fct_turnover",
            "meta.fct_trades",
            "meta.bdg_decision_upstreams",
            "health.fct_intents",
            "metrics.fct_weights",
        ),
        "Every recorded order aims at the weight that a completed decision gave its symbol.",
        "Orders are those that `rebalance` computed and recorded. This system sends none: what a "
        "broker was told, and what was filled, is not recorded and cannot be compared.",
        (_RUN,),
    ),
    Question(
        20,
        "What did each decision lose between its weights and its execution, in basis points?",
        ("metrics.fct_window_metrics",),
        "No window was simulated in that run.",
        "Fills are not recorded, so this is the modelled shortfall: slippage and commission of the "
        "simulation, as a share of NAV. Arrival and fill prices of real orders would stand here.",
        (_LAST_RUN, _SLEEVE),
    ),
    Question(
        21,
        "How much does one engine and risk profile turn over, decision by decision?",
        ("metrics.fct_turnover", "meta.fct_trades"),
        "Nothing was rebalanced in that run.",
        "One-way: half the sum of absolute changes, entries, exits and cash included; "
        "`turnover_recomputed` is the same from holdings and targets.",
        (
            _LAST_RUN,
            _SLEEVE,
            Parameter("engine", "text", "all engines"),
            Parameter("risk_profile", "text", "all risk profiles"),
        ),
    ),
    Question(
        22,
        "What did each engine, risk profile and simulator earn over all windows, linked?",
        (
            "metrics.fct_run_metrics",
            "metrics.fct_metric_checks",
            "health.fct_intents",
            "meta.dim_parameters",
        ),
        "No series was measured.",
        "Hypothetical (back-tested) unless a rebalance run is named. Windows are linked "
        "geometrically, and a series shorter than a year is never annualised; `finding` says where "
        "a record claims otherwise.",
        (_RUN, _SLEEVE),
    ),
    Question(
        23,
        "How far do simulators disagree about the same weights?",
        ("metrics.fct_window_metrics", "health.fct_intents", "meta.dim_parameters"),
        "No weights were simulated by two simulators: run the same manifest with another one.",
        "Windows are matched by cell, dates and the digest of the weights. The books may have "
        "entered the window with other holdings, which changes cost but not gross return.",
        (Parameter("parity_bps", "count", "10 basis points of net return a window"),),
    ),
    Question(
        24,
        "How many trials were tried before this winner was picked?",
        ("meta.fct_trials", "metrics.fct_scores"),
        "Nothing was walked forward and measured.",
        "The winner is the cell of a run with the highest Sharpe ratio after costs. "
        "`trials_of_profile` and the deflated Sharpe ratio stand in the scoreboard of a "
        "tournament, which counts every trial of the profile, failed and aborted ones too; for "
        "other runs they are NULL. Tries that were not recorded cannot be counted.",
        (_RUN,),
    ),
    Question(
        25,
        "Which engines and risk profiles converged to the same weights?",
        ("metrics.fct_weights", "metrics.fct_cap_usage"),
        "No two cells of a sleeve came that close in any window of that run.",
        "Distance is half the sum of absolute differences. `binding_caps_a` is the mean number of "
        "caps that bind the first cell: many of them, and the caps decide, not the model.",
        (
            _LAST_RUN,
            _SLEEVE,
            Parameter("distance_bps", "count", "10 basis points of NAV"),
        ),
    ),
    Question(
        26,
        "Where does this number in the report come from, down to the field of a record?",
        ("meta.column_lineage",),
        "There is no such column; name it as `<schema>.<table>.<column>`.",
        "Columns that decide the value; rows are chosen by joins and filters, which "
        "`assay lineage` does not follow. Prices stand in blobs: question 10 leads from a decision "
        "to the rows it saw.",
        (Parameter("column", "text", "`metrics.fct_run_metrics.net_sharpe`"),),
    ),
    Question(
        27,
        "Can the warehouse be rebuilt to the same bytes?",
        ("meta.fct_builds", "meta.dim_runs"),
        "No two recorded builds of one head have another content in any table.",
        "A head that was built once proves nothing yet: `assay build --rebuild`, then ask again. "
        "Builds by different commits may differ by design; both commits are shown.",
    ),
    Question(
        28,
        "Who recorded what, in which hour?",
        ("raw.records",),
        "No record is of that actor, run and time.",
        "One row for each hour, actor, run and kind of record; `assay show SEQ` prints one. "
        "`actor` is what the process claimed; a signature stands on approvals and checkpoints.",
        (
            Parameter("actor", "text", "everybody"),
            _RUN,
            Parameter("first_day", "date", "the beginning"),
            Parameter("last_day", "date", "the end"),
        ),
    ),
    Question(
        29,
        "Which sleeves fed this meta-portfolio, with which fallback, and are they verified?",
        (
            "meta.bdg_sleeves",
            "meta.bdg_decision_upstreams",
            "meta.fct_replays",
            "health.fct_solver_outcomes",
            "health.fct_intents",
        ),
        "No meta-portfolio was composed.",
        "`is_series_unchanged` compares the digest of the NAV series used with what the sleeve "
        "recorded; `replays_exact` counts decisions of the sleeve that were run again.",
        (_RUN,),
    ),
    Question(
        30,
        "Which runs used another lock file than the approved one?",
        ("meta.dim_runs", "meta.fct_approvals", "health.fct_environment_changes"),
        "Every run used the lock file it is measured by.",
        "Measured by the lock you name; else by those approved before the run; and where none was "
        "ever approved, by the lock of the first run. `standard` says which.",
        (Parameter("approved_lock", "text", "locks approved in the ledger, else the first"),),
    ),
    Question(
        31,
        "How often did each engine fall back, fail or stop short, by regime?",
        ("health.fct_fallback_rates",),
        "Nothing was optimised.",
        "Rates are shares of the optimisations of an engine in a regime. A rate over few decisions "
        "says little: look at `decision_count`.",
        (_RUN,),
    ),
    Question(
        32,
        "Were there pauses between the records of a run: was recording down?",
        ("health.fct_recording_gaps", "meta.dim_runs"),
        "No two consecutive records of a run lie that far apart.",
        "The ten longest pauses of each run, by the clock of the writer. A long pause may be long "
        "work: the record after it says which. Between runs nothing is expected.",
        (Parameter("minutes", "count", "1"), _RUN),
    ),
)
"""All questions, by number."""
