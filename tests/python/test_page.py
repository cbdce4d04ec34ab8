"""The report in a browser: it asks the network for nothing, says nothing in the console, can be zoomed and
looked into with mouse and keyboard, prints, and has no serious accessibility fault.

THALWEG=target/debug/thalweg pytest tests/python/test_page.py
"""

import os
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.skipif("THALWEG" not in os.environ, reason="THALWEG names no program")

STUDY = """
title = "A small study"
seed = 7
replicates = 12

[data]
points = 5
dim = 4

[net]
hidden = [6]
activation = "tanh"

[descent]
rate = { of_limit = 0.4 }
steps = 2000

[[compare]]
name = "Input dimension"
"data.dim" = [4, 2, 1]

[[compare]]
name = "Activation"
"net.activation" = ["relu", "identity"]

[[compare]]
name = "Rate"
"descent.rate" = [{ of_limit = 0.1 }, { of_limit = 0.2 }, { of_limit = 1.0 }, { of_limit = 3.0 }]
"""

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium():
    """A Chromium of this machine."""
    names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]
    named = os.environ.get("CHROMIUM")
    return named or next((path for path in map(shutil.which, names) if path), None)


@pytest.fixture(scope="module")
def browser():
    path = chromium()
    if path is None:
        pytest.skip("no Chromium on this machine; CHROMIUM=/path/to/it names one")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    work = tmp_path_factory.mktemp("page")
    (work / "study.toml").write_text(STUDY)
    command = [os.environ["THALWEG"], "run", "study.toml", "--out", "out dir"]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return work / "out dir"


@pytest.fixture
def opened(browser, folder):
    """Opens the page; at the end nothing must have been said in the console or asked of anyone."""
    contexts, complaints = [], []

    def open(path=None, hash="", **settings):
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        address = (path or folder / "report.html").as_uri()

        def asked(request):
            if not request.url.split("#")[0] == address and not request.url.startswith("data:"):
                complaints.append(f"asked for {request.url}")

        page.on("request", asked)
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address + hash)
        return page

    yield open
    for context in contexts:
        context.close()
    assert complaints == []


def picked(page):
    return page.locator("#explorer h3").inner_text()


def scales(page):
    """The range of every chart of the explorer, as its canvas draws it."""
    return page.locator("#explorer .chart canvas").first.screenshot()


def test_a_cell_and_a_replicate_can_be_picked(opened):
    page = opened()
    assert page.locator("#pick-cell option").count() >= 9
    page.select_option("#pick-cell", label="rate 3 of the limit · 0/12")
    assert "at rate 3 of the limit" in page.locator("#explorer .facts").inner_text()
    page.get_by_label("1 diverged").check()
    assert picked(page) == "Replicate 1: diverged"
    evidence = page.locator("#explorer .one").inner_text()
    assert "times the largest stable rate" in evidence
    assert "thalweg explain" in evidence and "--replicate 1" in evidence
    number = page.locator("#pick-cell").input_value()
    assert page.url.endswith(f"#look-{number}-1")
    # The address leads back to the same replicate.
    again = opened(hash=f"#look-{number}-1")
    assert picked(again) == "Replicate 1: diverged"


def test_a_replicate_shows_its_loss_beside_its_prediction_and_its_spectrum(opened):
    page = opened()
    one = page.locator("#explorer .one")
    assert one.locator("canvas").count() == 2
    legends = one.locator(".values").all_inner_texts()
    assert "observed" in legends[0] and "predicted by its initial kernel" in legends[0]
    assert "kernel at the start" in legends[1] and "kernel at the end" in legends[1]


def test_the_command_to_copy_replays_the_replicate(opened, folder):
    page = opened()
    command = page.locator("#explorer .command code").inner_text()
    # The path has a space in it.
    assert command.startswith("thalweg explain 'out dir' --cell 0 --replicate 0")
    line = command.replace("thalweg", f"'{os.environ['THALWEG']}'", 1)
    said = subprocess.run(line, shell=True, cwd=folder.parent, capture_output=True, text=True)
    assert "replayed: the same bits as recorded" in said.stdout, said.stderr
    page.get_by_role("button", name="Copy").click()
    page.wait_for_function("/copied|selected/.test(document.querySelector('.command [role=status]').textContent)")


def test_hovering_reads_values(opened):
    page = opened()
    chart = page.locator("#explorer .chart").first
    chart.scroll_into_view_if_needed()
    values = page.locator("#explorer .values").first
    assert "step" not in values.inner_text()
    box = chart.locator(".u-over").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function("/step \\d/.test(document.querySelector('#explorer .values').innerText)")
    assert "median, 10 to 90 %: " in values.inner_text()


def test_axes_switch_between_logarithmic_and_linear(opened):
    page = opened()
    before = scales(page)
    page.locator("#explorer").get_by_label("log loss").first.uncheck()
    linear = scales(page)
    assert linear != before
    page.locator("#explorer").get_by_label("log loss").first.check()
    assert scales(page) == before


def test_a_chart_can_be_zoomed_by_dragging_and_by_buttons(opened):
    page = opened()
    chart = page.locator("#explorer .chart").first
    chart.scroll_into_view_if_needed()
    page.mouse.move(0, 0)
    before = scales(page)
    page.get_by_role("button", name="Zoom in").first.click()
    page.wait_for_timeout(100)
    assert scales(page) != before
    page.get_by_role("button", name="Show all").first.click()
    page.wait_for_timeout(100)
    assert scales(page) == before
    box = chart.locator(".u-over").bounding_box()
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 150, steps=5)
    page.mouse.up()
    page.mouse.move(0, 0)
    page.wait_for_timeout(100)
    assert scales(page) != before


def test_everything_works_from_the_keyboard(opened):
    page = opened()
    page.locator("#pick-cell").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("#pick-cell").input_value() != "0"
    page.get_by_label("0 ", exact=False).first.focus()
    page.locator("#explorer input[type=radio]").first.focus()
    page.keyboard.press("ArrowDown")
    assert picked(page).startswith("Replicate 1")
    chart = page.locator("#explorer .chart").first
    chart.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("/step \\d/.test(document.querySelector('#explorer .values').innerText)")
    first = page.locator("#explorer .values .here").first.inner_text()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"document.querySelector('#explorer .values .here').innerText !== {first!r}")
    before = scales(page)
    page.keyboard.press("+")
    page.wait_for_timeout(100)
    assert scales(page) != before


def plots(page):
    """The pictures from which values can be read, where they stand."""
    return page.locator("figure[data-figure] .plot[tabindex]")


def test_every_figure_of_curves_answers_hover_and_keys_where_it_is(opened):
    page = opened()
    page.evaluate("document.querySelectorAll('details.part').forEach((d) => (d.open = true))")
    count = plots(page).count()
    assert count >= 6
    for i in range(count):
        plot = plots(page).nth(i)
        values = plot.locator("xpath=ancestor::figure").locator(".values")
        plot.scroll_into_view_if_needed()
        plot.focus()
        for _ in range(30):
            page.keyboard.press("ArrowRight")
        assert any(c.isdigit() for c in values.inner_text()), i
        page.keyboard.press("Escape")
        assert values.locator(".here").count() == 0
        box = plot.locator(".wide svg").bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert any(c.isdigit() for c in values.inner_text()), i
    # The one picture that a figure has stays the one it has.
    assert page.locator("figure canvas").count() == 0


def value_of(text):
    """The number that a text of the page writes: 250, 0.5, 10⁻⁸, 1.20·10³."""
    digits = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-")
    mantissa, ten, power = text.rpartition("10") if any(c in "⁻⁰¹²³⁴⁵⁶⁷⁸⁹" for c in text) else (text, "", "")
    return float(mantissa.strip("·") or 1) * (10.0 ** int(power.translate(digits)) if ten else 1)


def test_what_the_cursor_reads_is_what_the_axis_says(opened):
    page = opened()
    figure = page.locator("figure:has(.plot[tabindex] svg path[stroke-dasharray])").first
    figure.scroll_into_view_if_needed()
    ticks = figure.evaluate(
        """(figure) => {
          const svg = figure.querySelector(".wide svg");
          const below = +svg.dataset.y.split(" ")[0];
          return [...svg.querySelectorAll("text[text-anchor=middle]")].filter((t) => t.getAttribute("y") > below)
            .map((t) => { const box = t.getBoundingClientRect(), power = t.querySelector("tspan");
              return [power ? "10^" + power.textContent : t.textContent, +t.getAttribute("x") / svg.viewBox.baseVal.width]; });
        }"""
    )
    checked = 0
    box = figure.locator(".wide svg").bounding_box()
    for text, share in ticks:
        tick = 10.0 ** int(text[3:].replace("−", "-")) if text.startswith("10^") else None
        if tick is None and not text.replace(".", "").isdigit():
            continue
        tick = tick or float(text)
        page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
        read = figure.locator(".values .here").inner_text().removeprefix("step ")
        assert value_of(read) == pytest.approx(tick, rel=0.03), (text, read)
        checked += 1
    assert checked >= 3


def test_numbers_and_pictures_can_be_taken_along(opened):
    page = opened()
    figure = page.locator("figure:has(details.numbers)").first
    figure.locator("details.numbers").evaluate("(d) => (d.open = true)")
    with page.expect_download() as got:
        figure.get_by_role("button", name="Save numbers").click()
    csv = got.value.path().read_text()
    head = figure.locator("details.numbers thead th").all_inner_texts()
    assert csv.splitlines()[0].split(",")[0] == head[0]
    with page.expect_download() as got:
        figure.get_by_role("button", name="Save picture").click()
    assert got.value.path().read_text().startswith("<svg")
    page.locator("#study").evaluate("(d) => (d.open = true)")
    with page.expect_download() as got:
        page.get_by_role("button", name="Save study.toml").click()
    assert got.value.path().read_text() == STUDY


def test_keys_lead_from_heading_to_heading(opened):
    page = opened()
    page.keyboard.press("n")
    first = page.evaluate("scrollY")
    page.keyboard.press("n")
    assert page.evaluate("scrollY") > first
    page.keyboard.press("p")
    assert page.evaluate("scrollY") == first
    page.keyboard.press("?")
    assert page.locator(".keys").is_visible()


def test_a_row_of_a_table_leads_to_its_cell(opened):
    page = opened()
    row = page.locator("section > .tabled tr[data-cell]", has_text="4 of").or_(
        page.locator("section > .tabled tr[data-cell]")
    )
    link = row.nth(1).locator("th a")
    target = link.get_attribute("href").removeprefix("#look-")
    link.click()
    page.wait_for_function(f"document.getElementById('pick-cell').value === '{target}'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(opened, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = opened(color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    plots(page).first.focus()
    page.keyboard.press("ArrowRight")
    found = Axe().run(page).response["violations"]
    serious = [
        (v["id"], [n["html"][:120] for n in v["nodes"][:3]])
        for v in found
        if v["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_a_phone_does_not_scroll_sideways(opened):
    page = opened(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    plots(page).first.tap()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_without_script_everything_can_be_read(opened):
    page = opened(java_script_enabled=False)
    assert page.locator("figure .wide svg").count() == page.locator("figure").count() > 5
    assert page.locator("noscript").count() == 1
    assert "thalweg explain" in page.locator("#look").inner_text()
    assert "Fewest steps: d = 4" in page.locator(".verdict").inner_text()


def test_print_cuts_no_table_and_opens_every_part(opened):
    # As wide as the text of an A4 page.
    page = opened(viewport={"width": 672, "height": 950})
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("details.part:not([open])").count() == 0
    wide = page.evaluate(
        "[...document.querySelectorAll('table')].filter((t) => t.offsetParent"
        " && t.getBoundingClientRect().right > document.documentElement.clientWidth + 1).length"
    )
    assert wide == 0
    assert page.locator("#look").is_hidden()
    assert page.locator("button:visible").count() == 0
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_the_gallery_links_its_pages(opened, folder, tmp_path):
    command = [os.environ["THALWEG"], "report", "--gallery", tmp_path, folder]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = opened(path=tmp_path / "index.html")
    assert page.locator("article svg").count() == 1
    said = page.locator("article").inner_text()
    assert "d = 4" in said and "predicted" in said
    href = page.locator("article a").get_attribute("href")
    assert (tmp_path / href).read_bytes().startswith(b"<!DOCTYPE html>")


def test_the_page_of_the_largest_built_in_study_stays_small(folder):
    """The page grows with cells, not with replicates: about 40 kB a cell at most, and a picture of a
    fitted function, of which there are few, each for windows and for telephones."""
    cells = len(list((folder / "cells").glob("*.record")))
    pictures = len(list((folder / "figures").glob("fit-*.svg")))
    size = (folder / "report.html").stat().st_size
    assert size < 200_000 + 45_000 * cells + 140_000 * pictures, size
    assert pictures <= 2


