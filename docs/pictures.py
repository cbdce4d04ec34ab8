#!/usr/bin/env python3
"""Writes docs/pictures/page.png and docs/pictures/terminal.svg from a finished run of the assignment.

THALWEG=target/release/thalweg docs/pictures.py runs/assignment      (needs Chromium and playwright, as the tests do, and Pillow)
"""

import html
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

PICTURES = Path(__file__).parent / "pictures"
LINE, WIDTH = 19, 80


def terminal(run):
    # A finished run trains nothing; its answer is printed as into a pipe, 80 columns wide.
    command = [os.environ["THALWEG"], "run", "assignment", "--out", run]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = said.replace(str(run), "runs/assignment").rstrip().splitlines()
    size = f"{int(WIDTH * 8.43) + 40} {LINE * len(lines) + 36}"
    svg = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" font-family="ui-monospace, '
        'SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="14" fill="#e4e7ea">',
        '<rect width="100%" height="100%" rx="8" fill="#15181b"/>',
    ]
    for i, line in enumerate(lines):
        y = 30 + LINE * i
        svg.append(f'<text x="20" y="{y}" xml:space="preserve" textLength="{len(line) * 8.43:.0f}">{html.escape(line)}</text>')
    (PICTURES / "terminal.svg").write_text("\n".join([*svg, "</svg>", ""]))


def page(run):
    names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 800, "height": 1120}, color_scheme="light")
        page.goto((run / "report.html").resolve().as_uri())
        page.evaluate("document.querySelector('nav').hidden = true")
        shot = page.screenshot()
        browser.close()
    # 64 colours are enough for type and lines, and a third of the size.
    Image.open(io.BytesIO(shot)).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(PICTURES / "page.png", optimize=True)


if __name__ == "__main__":
    terminal(Path(sys.argv[1]))
    page(Path(sys.argv[1]))
