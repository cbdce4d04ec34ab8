#!/usr/bin/env python3
"""Writes docs/gallery.md and its pictures from run folders of the built-in studies.

thalweg run NAME, for every NAME of `thalweg studies list`; then docs/gallery.py RUNS
"""

import html
import re
import shutil
import sys
from pathlib import Path

DOCS = Path(__file__).parent
ORDER = """assignment notebook dimension capacity frequency convergence-high-dimension edge-of-stability lazy
signal-propagation deep-linear scalar-chaos xor trainability fractal dimension-width""".split()
HEAD = """# Gallery

What the built-in studies answer, each made by `thalweg run NAME`. Written by `docs/gallery.py` from their run folders: the
sentences and pictures are those of their pages.
"""


def text(markup):
    """Markup of a page as Markdown."""
    markup = re.sub(r"<code>(.*?)</code>", r"`\1`", markup, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", "", markup)).replace("\u2060", "").replace("\u2011", "-").strip()


def study(run):
    page = (run / "report.html").read_text()
    title = text(re.search(r"<h1>(.*?)</h1>", page, re.DOTALL)[1])
    verdict = text(re.search(r'<p class="verdict">(.*?)</p>', page, re.DOTALL)[1])
    # A study with a map is about it, if that is no large picture.
    drawn = re.search(r'data-figure="(map[^"]*)"', page)
    figure = drawn[1] if drawn else "answer"
    if (run / "figures" / f"{figure}.svg").stat().st_size > 60_000:
        figure = "answer"
    shutil.copy(run / "figures" / f"{figure}.svg", DOCS / "pictures" / f"{run.name}.svg")
    caption = re.search(rf'<figure data-figure="{figure}".*?<figcaption>(.*?)</figcaption>', page, re.DOTALL)
    yield f"## {run.name}"
    yield f"**{title}**"
    lines = [text(line) for line in re.findall(r'<p class="line">(.*?)</p>', page, re.DOTALL)]
    yield "  \n".join([verdict, *lines])
    yield f"![{text(caption[1]) if caption else title}](pictures/{run.name}.svg)"
    yield f"`thalweg run {run.name}`"


if __name__ == "__main__":
    runs = Path(sys.argv[1])
    parts = [part for name in ORDER for part in study(runs / name)]
    (DOCS / "gallery.md").write_text(HEAD + "\n" + "\n\n".join(parts) + "\n")
