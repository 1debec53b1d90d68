"""One file that needs nothing else, the same from the same head, safe whatever a record says."""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.warehouse.derivation import derive
from tests.warehouse.reports.conftest import RUN, page_of
from tests.warehouse.reports.outline import outline_of
from tests.warehouse.synthetic import Size, tell, write_workspace
from warehouse.errors import SnapshotMissingError
from warehouse.reports import held_checkpoint, render
from warehouse.reports.errors import (
    CitedRecordDiffersError,
    NothingToReportError,
    UnexpectedAnswerError,
)
from warehouse.reports.render import SECTIONS
from warehouse.reports.selfcheck import read_script

if TYPE_CHECKING:
    from tests.warehouse.reports.conftest import Change, Signed
    from tests.warehouse.reports.outline import Element

ATTACK = "<script>alert(1)</script>\"'&amp;"
ROOT = Path(__file__).parents[3]


def test_same_head_gives_the_same_bytes(snapshot: Path) -> None:
    """Rendering twice gives byte-identical pages."""
    assert page_of(snapshot) == page_of(snapshot)


def test_two_builds_of_one_ledger_give_the_same_bytes(
    snapshot: Path, tmp_path: Path, html: str
) -> None:
    """A warehouse built again from a copy of the ledger gives the same page."""
    again = derive(write_workspace(tmp_path, tell(Size(windows=16))))
    assert again != snapshot
    assert page_of(again, chain="PASS: bytes and links", signature="PASS") == html


def test_other_process_gives_the_same_bytes(snapshot: Path) -> None:
    """A fresh process with another hash seed, zone and locale renders the same page."""
    script = (
        "import sys, hashlib\n"
        "from pathlib import Path\n"
        "from tests.warehouse.reports.conftest import page_of\n"
        "print(hashlib.sha256(page_of(Path(sys.argv[1])).encode()).hexdigest())\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(snapshot)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=True,
    )
    mine = hashlib.sha256(page_of(snapshot).encode()).hexdigest()
    assert done.stdout.decode().strip() == mine


def test_page_needs_nothing_else(html: str, page: Element) -> None:
    """One inline script, no frame, no picture, and no address of another resource."""
    tags = {element.tag for element in page.everything()}
    assert len(page.all("script")) == 1
    assert not tags & {"link", "iframe", "object", "embed", "img", "base", "form"}
    assert "http://" not in html
    assert "https://" not in html
    assert not re.search(r"url\((?!#)", html)
    assert "@import" not in html
    for element in page.everything():
        assert not {name for name in element.attributes if name.startswith("on")}
        assert "style" not in element.attributes
        for name in ("src", "srcset", "xlink:href", "data"):
            assert name not in element.attributes
        if "href" in element.attributes:
            assert element.attributes["href"].startswith("#")


def test_policy_forbids_everything_but_the_style_sheet(page: Element) -> None:
    """The policy allows the one style sheet and the one script by their digests, nothing else."""
    policies = [
        element.attributes["content"]
        for element in page.all("meta")
        if element.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    (style,) = page.all("style")
    (script,) = page.all("script")
    style_digest, script_digest = (
        base64.b64encode(hashlib.sha256(each.text.encode()).digest()).decode()
        for each in (style, script)
    )
    assert policies == [
        (
            f"default-src 'none'; style-src 'sha256-{style_digest}'; "
            f"script-src 'sha256-{script_digest}'; connect-src 'none'; base-uri 'none'; "
            "form-action 'none'"
        )
    ]
    assert script.text == read_script()


def test_texts_of_records_stay_texts(change: Change) -> None:
    """A symbol, a note and a name with markup in them are shown as they are, never run."""
    changed = change(
        "update metrics.fct_weights set symbol = $attack where symbol = 'AAA'",
        "update metrics.fct_cap_usage set name = $attack where name = 'AAA'",
        "update meta.fct_flattened_weights set symbol = $attack where symbol = 'AAA'",
        "update health.fct_asset_health set symbol = $attack, reasons = $attack, "
        "status = 'stale' where symbol = 'AAA'",
        "update meta.fct_vetoes set symbol = $attack, rule = $attack, is_passed = false",
        "update meta.dim_runs set profile = $attack, actor = $attack, error = $attack",
        "update meta.bdg_sleeves set reason = $attack",
        "update health.fct_fallbacks set reason = $attack",
        "update meta.dim_parameters set value = $attack where parameter = 'slippage_bps'",
        attack=ATTACK,
    )
    text = page_of(changed, chain=f"PASS: {ATTACK}")
    page = outline_of(text)
    assert text.count("<script") == 1
    assert [each.text for each in page.all("script")] == [read_script()]
    assert ATTACK in page.by_id("weights-table").text
    assert ATTACK in page.by_id("health-failures-table").text
    assert f"verifier: {ATTACK}" in page.text


def test_run_of_an_odd_name_is_quoted(change: Change) -> None:
    """A run id with a quote in it neither breaks the statements nor escapes from them."""
    odd = "it's; drop table meta.dim_runs; --"
    changed = change("update meta.dim_runs set run_id = $odd where run_id = $run", odd=odd)
    assert odd in outline_of(page_of(changed, odd)).all("title")[0].text


def test_every_link_has_its_target_and_every_id_is_single(page: Element) -> None:
    """Links lead to something on the page; no id occurs twice."""
    ids = [e.attributes["id"] for e in page.everything() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for element in page.all("a"):
        assert element.attributes["href"][1:] in ids, element.attributes["href"]
    for element in page.everything():
        for name in element.attributes.get("aria-labelledby", "").split():
            assert name in ids


def test_sections_stand_in_order(page: Element) -> None:
    """All twelve sections are there, in the order of the contents."""
    found = [e.attributes["id"] for e in page.all("section")]
    assert found == [anchor for anchor, _ in SECTIONS]
    linked = [a.attributes["href"][1:] for a in page.all("nav")[0].all("a")]
    assert linked == found


def test_every_chart_can_be_read_without_seeing_it(page: Element) -> None:
    """A chart has title and description, a caption, and its data in a table below."""
    figures = page.all("figure")
    assert {f.attributes["id"] for f in figures} >= {
        "fig-curve",
        "fig-weights",
        "fig-turnover",
        "fig-caps",
        "fig-sleeve-weights",
    }
    for figure in figures:
        (drawing,) = figure.of_class("chart")
        assert drawing.attributes["role"] == "img"
        assert drawing.all("title")[0].text
        assert len(drawing.all("desc")[0].text) > 20
        assert figure.all("figcaption")[0].text
        assert figure.all("details")[0].all("tbody")[0].all("tr")
    for drawing in page.of_class("strip-row"):
        assert drawing.all("title")[0].text


def test_every_table_names_its_query_and_records_theirs(page: Element) -> None:
    """Each table has a section sign; rows of evidence end in seq and twelve digits of the hash."""
    for table in page.all("table"):
        label = table.attributes.get("aria-labelledby")
        caption = page.by_id(label) if label else table.all("caption")[0]
        assert caption.of_class("sign"), table.attributes.get("id")
    for record in page.of_class("record"):
        assert re.fullmatch(r"\d+ [0-9a-f]{12}", record.text)
        target = page.by_id(record.attributes["href"][1:])
        assert target.all("td")[1].text.startswith(record.text.split()[1])


def test_banner_and_assumptions_are_always_there(html: str) -> None:
    """Hypothetical performance is said before anything else, and no claim of compliance is made."""
    page = outline_of(html)
    banner = page.of_class("banner")[0].text
    assert "Hypothetical performance" in banner
    assert html.index('class="banner"') < html.index("<section")
    assert page.by_id("assumptions").all("table")
    assert not re.search(r"\bcompl(y|ies|iant)\b", page.text)


def test_headings_do_not_skip_a_level(page: Element) -> None:
    """Levels of headings go down one at a time, and there is one of the first."""
    levels = [int(e.tag[1]) for e in page.everything() if re.fullmatch(r"h[1-6]", e.tag)]
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    assert page.all("html")[0].attributes["lang"] == "en"


def test_newest_closed_backtest_is_the_default(page: Element) -> None:
    """The run that never closed is newer and is not the one reported."""
    assert RUN in page.all("title")[0].text


def test_named_and_default_run_give_the_same_bytes(snapshot: Path) -> None:
    """Naming the newest run gives the page that naming none gives."""
    assert page_of(snapshot, RUN) == page_of(snapshot)


def test_checkpoint_of_the_head_is_not_one_after_it(
    change: Change, snapshot: Path, signed: Signed
) -> None:
    """The checkpoint held by a snapshot is the newest that its head reaches."""
    assert held_checkpoint(snapshot) == signed.checkpoint_lines
    size = signed.checkpoint_lines[1]
    earlier = change("update raw.head set through_seq = $size::bigint - 2", size=size)
    assert int(held_checkpoint(earlier)[1]) < int(size)
    assert held_checkpoint(change("delete from raw.checkpoints")) == ()


def test_run_without_results_still_gives_a_page(snapshot: Path) -> None:
    """A run that crashed has verdicts and exceptions, and says that nothing was measured."""
    page = outline_of(page_of(snapshot, "20261126T040000Z-demo"))
    assert "No book was measured" in page.by_id("performance").text
    assert "20261126T040000Z-demo/optimize" in page.by_id("unsuccessful-table").text
    assert not [e for e in page.all("section") if e.attributes["id"] == "combination"]


def test_unknown_run_is_named(snapshot: Path) -> None:
    """A run that is not there is an error of the caller."""
    with pytest.raises(NothingToReportError, match="nobody") as caught:
        page_of(snapshot, "nobody")
    assert caught.value.exit_code == 2


def test_snapshot_without_backtest_is_refused(change: Change) -> None:
    """Without a closed backtest there is nothing to report."""
    with pytest.raises(NothingToReportError, match="no backtest run has closed"):
        page_of(change("update meta.dim_runs set kind = 'replay'"))


def test_missing_snapshot_is_refused(tmp_path: Path, signed: Signed) -> None:
    """A report needs a snapshot."""
    with pytest.raises(SnapshotMissingError):
        render(
            tmp_path / "none.duckdb",
            run_id=None,
            checkpoint_lines=signed.checkpoint_lines,
            key_id=signed.key_id,
            origin=signed.origin,
            verification={},
        )


def test_mart_of_another_version_is_refused(change: Change) -> None:
    """A column that is missing is an error, never an empty cell."""
    with pytest.raises(UnexpectedAnswerError, match="net_sharpe"):
        page_of(change("alter table metrics.fct_run_metrics drop column net_sharpe"))


def test_snapshot_without_head_is_refused(change: Change) -> None:
    """A page stands on a head."""
    with pytest.raises(UnexpectedAnswerError, match="one head"):
        page_of(change("delete from health.fct_ledger_integrity"))


def test_cited_record_must_be_in_the_ledger(change: Change) -> None:
    """A mart that cites a record with another hash stops the report with exit code 3."""
    wrong = "update metrics.fct_run_metrics set record_hash = repeat('0', 64)"
    with pytest.raises(CitedRecordDiffersError) as caught:
        page_of(change(wrong))
    assert caught.value.exit_code == 3


def test_colours_of_words_contrast_with_the_paper() -> None:
    """Every colour of text has a contrast of 4.5 with its ground, in light, dark and print."""
    sheet = (ROOT / "warehouse/reports/templates/style.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", sheet, flags=re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        colours = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{3,6});", block))
        for name in ("ink", "soft", "muted", "accent", "fail", "pass", "none"):
            for ground in ("paper", "panel", "mark"):
                assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground, block[:60])
        assert contrast(colours["on-fail"], colours["fail"]) >= 4.5


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours as WCAG 2 defines it."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """Return the relative luminance of a hexadecimal colour."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.slow
def test_page_of_a_long_run_is_small_and_quick(tmp_path: Path) -> None:
    """Two sleeves of 226 windows and 7 cells give less than 2 MB in less than 5 seconds."""
    cells = (("custom", "equal_weight"), ("custom", "hrp"), ("skfolio", "min_variance"))
    story = tell(Size(windows=226, symbols=20, cells=cells))
    snapshot = derive(write_workspace(tmp_path, story))
    started = time.perf_counter()
    text = page_of(snapshot)
    assert time.perf_counter() - started < 5
    assert len(text.encode()) < 2_000_000
