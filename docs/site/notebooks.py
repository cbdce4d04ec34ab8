"""The notebooks of `examples` as pages, when the site is built: text and code, and what they print and draw if the Python
that builds it has the package and what they import. A notebook itself keeps no output.
"""

import ast
import contextlib
import io
import json
import os
import re
import tempfile
import textwrap
from importlib.util import find_spec
from pathlib import Path

from mkdocs.structure.files import File

EXAMPLES = Path(__file__).parents[2] / "examples"


def ended(source: str, names: dict) -> tuple[str, str | None]:
    """What a cell prints, with its last value as text, and the picture of that."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed, picture = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "cell", "exec"), names)
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last is not None else None
        if value is not None:
            print(repr(value))
            drawn = [getattr(value, form)() for form in ("_repr_svg_", "_repr_html_") if hasattr(value, form)]
            picture = re.search(r"<svg.*?</svg>", "".join(drawn), re.DOTALL)
    return printed.getvalue().strip(), picture and picture[0]


def wrapped(text: str) -> str:
    """Sentences as wide as a page; a table, which has two blanks somewhere, keeps its lines."""
    lines = text.splitlines()
    return "\n".join(line if "  " in line.strip() else textwrap.fill(line, 92, subsequent_indent="  ") for line in lines)


def fence(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```\n"


def page(path: Path) -> tuple[str, list[str]]:
    """A notebook as Markdown, and its pictures."""
    parts, pictures, names = [], [], {"__name__": path.stem}
    runs = find_spec("thalweg") is not None
    for cell in json.loads(path.read_text())["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source + "\n")
            continue
        parts.append(fence("python", source))
        text, picture = "", None
        if runs:
            try:
                text, picture = ended(source, names)
            except ImportError:
                # What follows wants what this has not made.
                runs = False
        if text:
            parts.append(fence("text", wrapped(text)))
        if picture:
            parts.append(f"![What the cell above draws]({path.stem}-{len(pictures)}.svg)\n")
            pictures.append(picture)
    # After the heading.
    parts.insert(1, f"This page is `examples/{path.name}`, to be opened with Jupyter.\n")
    return "\n".join(parts), pictures


def on_files(files, config):
    here = os.getcwd()
    for path in sorted(EXAMPLES.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as folder:
            # What it writes does not stay.
            os.chdir(folder)
            try:
                text, pictures = page(path)
            finally:
                os.chdir(here)
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=text))
        for number, picture in enumerate(pictures):
            files.append(File.generated(config, f"notebooks/{path.stem}-{number}.svg", content=picture))
    return files


def on_page_markdown(markdown, page, config, files):
    """A link to a notebook is one to its page."""
    return re.sub(r"\]\((?:\.\./)+examples/(\w+)\.ipynb\)", r"](notebooks/\1.md)", markdown)
