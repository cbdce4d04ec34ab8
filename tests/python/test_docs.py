"""The documentation: it builds as a site without a dead link, its formulas are MathML, it asks no one for anything, and
what it says of the study file is what the program reads.

THALWEG=target/debug/thalweg pytest tests/python/test_docs.py
"""

import html
import html.parser
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_page import FLAGS, chromium

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


class Links(html.parser.HTMLParser):
    """The targets of a page, the anchors it has, and what its formulas say."""

    def __init__(self):
        super().__init__()
        self.targets, self.anchors, self.formulas, self.inside = [], set(), [], False

    def handle_starttag(self, tag, attributes):
        of = dict(attributes)
        self.targets += [of[name] for name in ("href", "src") if of.get(name)]
        self.anchors |= {of[name] for name in ("id", "name") if of.get(name)}
        self.inside = self.inside or tag == "math"

    def handle_endtag(self, tag):
        self.inside = self.inside and tag != "math"

    def handle_data(self, data):
        if self.inside:
            self.formulas.append(data)


def read(page):
    links = Links()
    links.feed(page.read_text())
    return links


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    settings = {**os.environ, "PYTHON": sys.executable}
    built = subprocess.run([DOCS / "build", folder], capture_output=True, text=True, env=settings)
    # Strict: a dead link, a dead anchor, or a page that is in no list ends the build.
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_every_page_of_the_documentation_is_on_the_site(site):
    written = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")}
    written |= {Path("notebooks", path.name).with_suffix(".html") for path in (ROOT / "examples").glob("*.ipynb")}
    assert {path.relative_to(site) for path in site.rglob("*.html")} == written


def test_no_link_of_the_site_is_dead_and_none_loads_from_elsewhere(site):
    pages = {path.resolve(): read(path) for path in site.rglob("*.html")}
    checked = 0
    for path, page in pages.items():
        for target in page.targets:
            if target.startswith("https://"):
                continue
            file, _, anchor = target.partition("#")
            other = (path.parent / file).resolve() if file else path
            assert other.exists(), (path.name, target)
            if anchor and other in pages:
                assert anchor in pages[other].anchors, (path.name, target)
            checked += 1
        for tag in re.findall(r"<(?:script|link|img|iframe|object)\b[^>]*>", path.read_text()):
            assert "http" not in tag, (path.name, tag)
    assert checked > 200


def test_a_notebook_is_a_page_with_its_text_and_code(site):
    for path in (ROOT / "examples").glob("*.ipynb"):
        shown = html.unescape((site / "notebooks" / path.with_suffix(".html").name).read_text())
        cells = json.loads(path.read_text())["cells"]
        assert shown.count('class="language-python"') == sum(cell["cell_type"] == "code" for cell in cells)
        for cell in cells:
            for line in "".join(cell["source"]).splitlines():
                assert line in shown or "`" in line or line.startswith("#"), line


def test_what_a_notebook_prints_and_draws_is_on_its_page():
    pytest.importorskip("mkdocs")
    sys.path.insert(0, str(DOCS / "site"))
    import notebooks

    source = """print("so")
class Drawn:
    def _repr_svg_(self): return "<svg>1</svg>"
    def __repr__(self): return "one"
Drawn()"""
    assert notebooks.ended(source, {}) == ("so\none", "<svg>1</svg>")
    assert notebooks.ended("x = 1", {}) == ("", None)


def test_formulas_are_set_as_mathml(site):
    said = "".join(read(site / "concepts" / "momentum.html").formulas)
    assert "β" in said and "μ" in said and "&#" not in said and "$" not in said
    for page in (DOCS / "concepts").glob("*.md"):
        formulas = len(re.findall(r"(?<!`)\$[^\s$][^$\n]*\$|^```math", page.read_text(), re.MULTILINE))
        shown = (site / "concepts" / page.with_suffix(".html").name).read_text().count("<math")
        assert shown >= 0.9 * formulas > 0, page.name


def test_a_browser_asks_for_nothing_but_the_files_of_the_site(site):
    path = chromium()
    if path is None:
        pytest.skip("no Chromium on this machine; CHROMIUM=/path/to/it names one")
    from playwright.sync_api import sync_playwright

    asked, said = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        for file in site.rglob("*.html"):
            page.goto(file.as_uri())
        # The style sheet has come: a page without it has no measure.
        assert page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") != "none"
        browser.close()
    assert len(asked) > 20 and all(url.startswith(site.as_uri()) for url in asked), asked
    assert said == []


def headings(markdown):
    """The anchors that GitHub gives the headings of a page."""
    sys.path.insert(0, str(DOCS / "site"))
    from mathematics import github_slug

    text = re.sub(r"^```.*?^```", "", markdown, flags=re.MULTILINE | re.DOTALL)
    return {github_slug(heading, "-") for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


def test_no_link_is_dead_where_the_source_is_read():
    checked = 0
    for file in [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *DOCS.rglob("*.md")]:
        text = re.sub(r"^```.*?^```|`[^`\n]*`", "", file.read_text(), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if target.startswith("https://"):
                continue
            path, _, anchor = target.partition("#")
            other = (file.parent / path).resolve() if path else file
            assert other.exists(), (file.name, target)
            assert not anchor or anchor in headings(other.read_text()), (file.name, target)
            checked += 1
    assert checked > 50


@pytest.mark.skipif("THALWEG" not in os.environ, reason="THALWEG names no program")
def test_the_reference_is_what_the_schema_says():
    same = subprocess.run([sys.executable, DOCS / "reference.py", "--check"], capture_output=True, text=True)
    assert same.returncode == 0, same.stderr


def test_the_python_reference_is_what_the_package_says():
    same = subprocess.run([sys.executable, DOCS / "python_reference.py", "--check"], capture_output=True, text=True)
    assert same.returncode == 0, same.stderr


@pytest.mark.skipif("THALWEG" not in os.environ, reason="THALWEG names no program")
def test_the_guide_and_the_schema_have_the_same_keys():
    printed = subprocess.run([os.environ["THALWEG"], "studies", "schema"], capture_output=True, text=True)
    schema = json.loads(printed.stdout)
    sys.path.insert(0, str(DOCS))
    import reference

    explained = {key for _, key in reference.guide()}
    page = reference.Page(schema)
    inside = {key for _, of, _ in page.sections() for key in of.get("properties", {})}
    sections = {key for key, _, _ in page.sections()}
    known = inside | (set(schema["properties"]) - sections)
    # Names of inner settings stand in tables of the guide too.
    text = json.dumps(schema)
    assert not {key for key in explained if f'"{key}"' not in text}
    guide = (DOCS / "study-file.md").read_text()
    assert not {key for key in known if f"`{key}`" not in guide and f"`[{key}]`" not in guide}


@pytest.mark.skipif("THALWEG" not in os.environ, reason="THALWEG names no program")
def test_the_guide_and_the_schema_have_the_same_defaults():
    printed = subprocess.run([os.environ["THALWEG"], "studies", "schema"], capture_output=True, text=True)
    schema = json.loads(printed.stdout)
    sys.path.insert(0, str(DOCS))
    import reference

    page, guide = reference.Page(schema), reference.guide()
    tables = {table: of["properties"] for table, of, _ in page.sections()} | {"": schema["properties"]}
    compared = 0
    for (table, key), (default, _) in guide.items():
        of = tables[table].get(key, {}).get("default")
        if of is not None and default not in (None, "all"):
            assert default.replace("_", "") == reference.code(of).replace("_", ""), (table, key)
            compared += 1
    assert compared > 20


@pytest.mark.skipif("THALWEG" not in os.environ, reason="THALWEG names no program")
def test_the_gallery_shows_every_built_in_study():
    listed = subprocess.run([os.environ["THALWEG"], "studies", "list"], capture_output=True, text=True)
    names = {line.split()[0] for line in listed.stdout.splitlines() if line and not line[0].isspace()}
    gallery = (DOCS / "gallery.md").read_text()
    studies = {path.stem for path in (ROOT / "studies").glob("*.toml")}
    assert studies <= names
    for name in studies:
        assert f"thalweg run {name}" in gallery and f"pictures/{name}.svg" in gallery
        assert (DOCS / "pictures" / f"{name}.svg").stat().st_size < 60_000
