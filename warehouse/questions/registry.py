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
)
"""All questions, by number."""
