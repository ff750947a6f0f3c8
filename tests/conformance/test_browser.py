"""The report page in a real browser, where there is one: it is laid out as meant, whatever a connector wrote."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mini import SOURCE_MINI, source_config, step

from airbyte_exec.conformance import Report, reports, run, subject_of

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
NASTY = 'DEBUG </pre></details><script>document.title="taken"</script><style>*{display:none}</style> ' + "x" * 3_000
WIDTH, HEIGHT = 900, 1200
LIMIT = 60

# The report stands in a frame without scripts of its own; what is around it measures, and writes down what it saw.
FRAME = """<!doctype html><meta charset=utf-8><body><iframe id=page style="width:800px;height:1000px;border:0"
srcdoc="%s"></iframe><pre id=found></pre><script>
onload = () => {
  const page = document.getElementById("page").contentDocument, box = (node) => node.getBoundingClientRect();
  const inside = (inner, outer) => inner.left >= outer.left - 1 && inner.right <= outer.right + 1;
  const timelines = [...page.querySelectorAll(".timeline")];
  const found = {
    title: page.title,
    summary: page.getElementById("summary").textContent,
    wide: page.documentElement.scrollWidth > page.documentElement.clientWidth,
    hidden: [...page.querySelectorAll(".rule")].filter((rule) => box(rule).height < 5).length,
    evidence: [...page.querySelectorAll("details.fail pre")].map((node) => box(node).height),
    lost: [...page.querySelectorAll("nav a")].filter((a) => !page.getElementById(a.hash.slice(1))).length,
    marks: timelines.reduce((sum, line) => sum + line.children.length, 0),
    outside: timelines.flatMap((line) => [...line.children].filter((mark) => !inside(box(mark), box(line)))).length,
    stray: getComputedStyle(page.querySelector("i.stray")).backgroundColor,
  };
  document.getElementById("found").textContent = JSON.stringify(found);
};
</script>"""


@pytest.fixture(scope="module")
def report() -> Report:
    config = source_config(script=[step("noise", {"record": 5}, text=NASTY)], emitted_at="now", source_stats="wrong")
    return run(subject_of(f"path:{SOURCE_MINI}", config=config), rules="spec.*,read.*")


def measured(page: str, folder: Path) -> dict[str, Any]:
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        pytest.skip("there is no headless browser: Debian's chromium-headless-shell is one")

    path = folder / "frame.html"
    path.write_text(FRAME % html.escape(page), encoding="utf-8")
    flags = ["--headless", "--disable-gpu", f"--window-size={WIDTH},{HEIGHT}", f"--user-data-dir={folder / 'profile'}"]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")  # it refuses to be root within its sandbox; the page is ours

    done = subprocess.run(
        [browser, *flags, "--dump-dom", path.as_uri()],
        capture_output=True,
        encoding="utf-8",
        timeout=LIMIT,
        check=True,
    )
    written = re.search(r'<pre id="found">(.*?)</pre>', done.stdout)
    assert written is not None, done.stdout[-2000:]
    found: dict[str, Any] = json.loads(html.unescape(written[1]))
    return found


def test_the_page_is_laid_out_as_meant_whatever_a_connector_wrote(report: Report, tmp_path: Path) -> None:
    found = measured(reports.render(report, "html"), tmp_path)
    assert found["title"] == "Conformance of source-mini"
    assert "2 fail" in found["summary"]
    assert not found["wide"], "it can only be read by scrolling sideways"
    assert found["hidden"] == found["lost"] == found["outside"] == 0
    assert len(found["evidence"]) >= 2
    assert min(found["evidence"]) > 10
    assert found["marks"] > 100
    assert found["stray"] == "rgb(198, 40, 40)"
