"""Section 2: how to check the page without us.

The commands are text for a reader's shell. They name the workspace by its usual folder, never by a
path of this machine, and stop at the head of this report, so they still hold when the ledger has
grown. Only the DuckDB statement needs a program that is not on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warehouse.reports.evidence import RecordRef, Row
    from warehouse.reports.subject import Subject, Verified

LEDGER = ".assay/ledger"
"""Where the ledger of a workspace lies."""

_COLLECT = "cat $ledger/audit-*.jsonl $ledger/audit.jsonl 2>/dev/null > records.jsonl"

_CHAIN = r"""head -n $records records.jsonl | perl -MDigest::SHA=sha256_hex -ne '
  /^(.*),"hash":"([0-9a-f]{64})"\}\n\z/s or die "line $$."; ($$b,$$h)=("$$1}",$$2);
  sha256_hex("\0".$$b) eq $$h or die "hash $$.";
  $$b=~/"prev_hash":"(\w{64})"/ && $$1 eq ($$p//"0"x64) or die "chain $$."; $$p=$$h;
  END{print "$$. records, head $$p\n"}'"""

_ROOT = r"""with recursive lines as (
  select row_number() over () - 1 as i, line
  from read_csv('records.jsonl', columns={'line':'VARCHAR'}, delim='\x01', quote='',
                escape='', header=false, auto_detect=false, max_line_size=1048576)),
t as (
  select i, unhex(right(line,66)[1:64]) as h, count(*) over () as n, 0 as lvl
  from lines where i < $size
  union all
  select i//2, case when count(*)=2
      then unhex(sha256('\x01'::blob||min_by(h,i)||max_by(h,i))) else any_value(h) end,
    (any_value(n)+1)//2, lvl+1
  from t where n>1 group by lvl, i//2)
select base64(h) as root from t where n=1;"""

_ONE = r"""sed -n '${line}p' records.jsonl | sed -E 's/,"hash":"[0-9a-f]{64}"\}$$/}/' |
  tr -d '\n' | { printf '\0'; cat; } | sha256sum"""

_AGAIN = """assay report --run $run$flags --out again.html
sha256sum report.html again.html"""


@dataclass(frozen=True, slots=True)
class Command:
    """Something to paste, what it does, and what it must print."""

    title: str
    text: str
    expect: str


@dataclass(frozen=True, slots=True)
class Check:
    """The checkpoint and the commands."""

    checkpoint_lines: tuple[str, ...]
    commands: tuple[Command, ...]


def tell_check(
    subject: Subject, integrity: Row, verified: Verified, sample: RecordRef, flags: str = ""
) -> Check:
    """Return the commands for this head; `sample` is the record hashed by hand.

    `flags` are the options that the report was made with besides its run.
    """
    records = integrity.count("record_count")
    lines = verified.checkpoint_lines
    verify = f"python -m ledger verify {LEDGER}"
    chain = "\n".join(
        (
            Template(_COLLECT).substitute(ledger=LEDGER),
            Template(_CHAIN).substitute(records=records),
        )
    )
    commands = [
        Command("Our verifier, which does not import the writer", verify, "exit code 0"),
        Command(
            "Every hash and link, with Perl alone",
            chain,
            f"{records} records, head {integrity.text('through_hash')}",
        ),
    ]
    if verified.size is not None:
        root = Template(_ROOT).substitute(size=verified.size)
        title = "The root of the checkpoint, in DuckDB, over the same file"
        commands.append(Command(title, root, lines[2]))
    commands += [
        Command(
            f"Record {sample.seq}, the measure of the main book, with coreutils"
            if subject.main
            else f"Record {sample.seq}, the opening of the run, with coreutils",
            Template(_ONE).substitute(line=sample.seq + 1),
            f"{sample.hash}  -",
        ),
        Command(
            "This report once more, from the same head",
            Template(_AGAIN).substitute(run=subject.run_id, flags=flags),
            "the same digest twice",
        ),
    ]
    return Check(lines, tuple(commands))
