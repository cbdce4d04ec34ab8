#!/usr/bin/env python3
"""Writes docs/python-reference.md from the sources of the Python package, which need not be installed.

docs/python_reference.py          writes the page
docs/python_reference.py --check  exits with 1 if it would change

A public name without a docstring, or an attribute that the docstring of its class does not name, is an error.
"""

import ast
import re
import sys
from pathlib import Path

DOCS = Path(__file__).parent
PACKAGE = DOCS.parent / "crates" / "thalweg-py" / "python" / "thalweg"
PAGE = DOCS / "python-reference.md"

HEAD = """# Python, name by name

Written by `docs/python_reference.py` from the docstrings of the package; change those and run it again. How the names go
together stands in [from Python](python.md), and which settings there are in [every key of a study
file](study-file-reference.md). Shapes are in brackets: N points, d inputs, k outputs, R replicates. `Progress` is `True` or
`False`, or a function of (replicates that ended, all of them, seconds). Classes are names of `thalweg` too, but for those
that a call gives or takes: {others}.
"""

FILES = ["_study.py", "_run.py", "theory.py", "torch.py", "_executor.py", "_thalweg.pyi"]
# The classes that one makes oneself; the others come out of a method.
MADE = ["Study"]


def public(node):
    return not node.name.startswith("_")


def body(path):
    return ast.parse((PACKAGE / path).read_text()).body


def exported():
    """The names in `__all__` of the package."""
    for node in body("__init__.py"):
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__":
            return ast.literal_eval(node.value)


def decorators(function):
    return [ast.unparse(decorator) for decorator in function.decorator_list]


def arguments(function, method):
    """The arguments of a call, as its source has them."""
    of = function.args
    plain = [*of.posonlyargs, *of.args]
    defaults = [None] * (len(plain) - len(of.defaults)) + of.defaults
    said = [argument(one, default) for one, default in zip(plain, defaults)]
    if of.posonlyargs:
        said.insert(len(of.posonlyargs), "/")
    if of.vararg or of.kwonlyargs:
        said.append("*" + argument(of.vararg) if of.vararg else "*")
    said += [argument(one, default) for one, default in zip(of.kwonlyargs, of.kw_defaults)]
    if of.kwarg:
        said.append("**" + argument(of.kwarg))
    return said[1:] if method else said


def argument(one, default=None):
    annotation = f": {ast.unparse(one.annotation)}" if one.annotation else ""
    return one.arg + annotation + (f" = {literal(default)}" if default else "")


def literal(default):
    value = ast.literal_eval(default)
    return f'"{value}"' if isinstance(value, str) else f"{value:_}" if type(value) is int else repr(value)


def signature(name, function, method):
    """A call as Python writes it, an argument a line where a line is too short for all."""
    said = arguments(function, method)
    result = f" -> {ast.unparse(function.returns)}" if function.returns and function.name != "__init__" else ""
    line = f"{name}({', '.join(said)}){result}"
    return line if len(line) <= 100 else f"{name}(\n" + "".join(f"    {one},\n" for one in said) + f"){result}"


class Page:
    def __init__(self):
        self.exported = exported()
        self.parts = []  # (the name of its heading, node)
        for path in FILES:
            nodes = [node for node in body(path) if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and public(node)]
            for node in sorted(nodes, key=lambda node: isinstance(node, ast.FunctionDef)):
                inside = node.name in self.exported
                if node.name in self.names() or f"thalweg.{node.name}" in self.names():
                    # Another one of this name, inside.
                    continue
                if path.endswith(".pyi"):
                    # Of the compiled part, what the package exports as it is: exceptions.
                    if inside and isinstance(node, ast.ClassDef):
                        self.parts.append((node.name, node))
                elif isinstance(node, ast.ClassDef):
                    self.parts.append((node.name, node))
                elif inside:
                    self.parts.append((f"thalweg.{node.name}", node))
                elif not path.startswith("_"):
                    # A module to import from.
                    self.parts.append((f"thalweg.{Path(path).stem}.{node.name}", node))
        self.classes = {name: node for name, node in self.parts if isinstance(node, ast.ClassDef)}

    def names(self):
        return [name for name, _ in self.parts]

    def said(self, where, node):
        text = ast.get_docstring(node)
        if not text:
            raise SystemExit(f"{where} has no docstring")
        return text

    def markdown(self, text):
        """A docstring as Markdown: code in one backtick, names as links."""
        def link(match):
            owner, _, member = match[1].rpartition(".")
            if match[1] in self.names() or owner in self.classes and member in members(self.classes[owner]):
                return f"[`{match[1]}`](#{anchor(match[1])})"
            # A property has no heading of its own.
            return f"[`{match[1]}`](#{anchor(owner)})" if owner in self.classes else f"`{match[1]}`"

        text = re.sub(r":\w+:`([^`]+)`", link, text)
        text = re.sub(r"(?<!`)``([^`]+)``(?!`)", r"`\1`", text)
        return re.sub(r"\bdocs/([\w-]+\.md)", r"[docs/\1](\1)", text)

    def function(self, name, node, method=False):
        yield f"{'###' if method else '##'} {name}"
        yield ""
        yield f"```python\n{signature(name, node, method)}\n```"
        yield ""
        yield self.markdown(self.said(name, node))
        yield ""

    def attributes(self, name, node):
        """What `__init__` keeps under a public name."""
        for function in node.body:
            if isinstance(function, ast.FunctionDef) and function.name == "__init__":
                for of in ast.walk(function):
                    kept = isinstance(of, (ast.Assign, ast.AnnAssign))
                    for target in getattr(of, "targets", None) or ([of.target] if kept else []):
                        if isinstance(target, ast.Attribute) and public_attribute(target):
                            if f"``{target.attr}``" not in self.said(name, node):
                                raise SystemExit(f"the docstring of {name} does not name ``{target.attr}``")

    def of_class(self, name, node):
        yield f"## {name}"
        yield ""
        methods = [of for of in node.body if isinstance(of, ast.FunctionDef)]
        if name in MADE:
            (made,) = [of for of in methods if of.name == "__init__"]
            yield f"```python\n{signature(name, made, method=True)}\n```"
            yield ""
        elif node.name.endswith("Error"):
            yield f"```python\nclass {name}({ast.unparse(node.bases[0])})\n```"
            yield ""
        self.attributes(name, node)
        yield self.markdown(self.said(name, node))
        yield ""
        methods = [of for of in methods if public(of)]
        properties = [of for of in methods if "property" in decorators(of)]
        if properties:
            yield "| | | |"
            yield "|---|---|---|"
            for of in properties:
                about = self.markdown(" ".join(self.said(f"{name}.{of.name}", of).split())).replace("|", "\\|")
                # A bar ends a column, on the site inside of code too.
                kind = ast.unparse(of.returns).replace(" | ", " or ")
                yield f"| `{of.name}` | `{kind}` | {about} |"
            yield ""
        for of in methods:
            if of not in properties:
                yield from self.function(f"{name}.{of.name}", of, method=True)

    def write(self):
        outside = [f"`{name}`" for name in self.classes if name not in self.exported]
        missing = set(self.exported) - {name.removeprefix("thalweg.") for name in self.names()}
        assert not missing, missing
        lines = [HEAD.format(others=", ".join(outside))]
        for name, node in self.parts:
            lines += self.of_class(name, node) if isinstance(node, ast.ClassDef) else self.function(name, node)
        return "\n".join(lines).rstrip() + "\n"


def public_attribute(target):
    return isinstance(target.value, ast.Name) and target.value.id == "self" and not target.attr.startswith("_")


def members(node):
    """The methods of a class that have a heading of their own."""
    return [of.name for of in node.body if isinstance(of, ast.FunctionDef) and "property" not in decorators(of)]


def anchor(name):
    """That of a heading, on GitHub and on the site."""
    return re.sub(r"[^\w\- ]", "", name.lower())


if __name__ == "__main__":
    text = Page().write()
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text() != text and f"{PAGE} is not what the package says: run docs/python_reference.py")
    PAGE.write_text(text)
