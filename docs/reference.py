#!/usr/bin/env python3
"""Writes docs/study-file-reference.md from the JSON schema of study files, whose words are the code's own.

THALWEG=target/debug/thalweg docs/reference.py          writes the page
THALWEG=target/debug/thalweg docs/reference.py --check  exits with 1 if it would change
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parent / "study-file-reference.md"
GUIDE = Path(__file__).parent / "study-file.md"

HEAD = """# Every key of a study file

Written by `docs/reference.py` from `thalweg studies schema`; change the comments of the types in
`crates/thalweg/src/study/` and run it again. What keys are for, and how they work together, stands in
[the study file](study-file.md). A key that is not here is an error.
"""


def schema():
    printed = subprocess.run([os.environ["THALWEG"], "studies", "schema"], capture_output=True, text=True, check=True)
    return json.loads(printed.stdout)


def guide():
    """The keys that the guide explains, as (table, key), each with its default (None where there is none) and
    its meaning."""
    found, table = {}, None
    for line in GUIDE.read_text().splitlines():
        if line.startswith("## "):
            heading = re.match(r"## `\[+(\w+)\]+`", line)
            table = heading[1] if heading else "" if line == "## Top level" else None
        columns = [column.strip() for column in line.strip("|").split(" | ")]
        if line.startswith("| key |"):
            has_default, rows = columns[1].strip() == "default", True
        elif not line.startswith("|"):
            rows = False
        elif table is not None and rows:
            for key in re.findall(r"`(\w+)`", columns[0]):
                found[table, key] = (columns[1] if has_default else None, columns[-1])
    return found


def cell(text):
    """Text in a table: one line, no bar, no HTML, no formula, no link of the code's documentation."""
    text = re.sub(r"\[(`[^`]*`)\](\([\w:]*\))?", r"\1", text)
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("$", "\\$")


def code(value):
    return f"`{literal(value)}`"


def literal(value):
    """A value as a study file has it."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value, ensure_ascii=False)
        case list():
            return "[" + ", ".join(map(literal, value)) + "]"
        case dict():
            return "{ " + ", ".join(f"{key} = {literal(of)}" for key, of in value.items()) + " }"
        case float():
            return re.sub(r"e([+-])0", r"e\1", f"{value:g}")
        case _:
            return str(value)


class Page:
    def __init__(self, schema):
        self.schema = schema
        self.guide = guide()
        self.choices = []  # choices that a table links, in the order of their first link

    def definition(self, name):
        return self.schema["$defs"][name]

    def kind(self, of):
        """The type of a value, in words."""
        if "$ref" in of:
            name = of["$ref"].rsplit("/", 1)[1]
            return self.link(name)
        if "const" in of:
            return code(of["const"])
        if "enum" in of:
            return ", ".join(code(value) for value in of["enum"])
        for several in ("anyOf", "oneOf"):
            if several in of:
                kinds = [one for one in of[several] if one.get("type") != "null"]
                return " or ".join(map(self.kind, kinds))
        types = of.get("type", "any value")
        one = next(t for t in types if t != "null") if isinstance(types, list) else types
        if one == "array":
            count = of.get("minItems") if of.get("minItems") == of.get("maxItems") else None
            return f"list of {self.kind(of.get('items', {}))}" + (f", {count} of them" if count else "")
        if one == "object" and of.get("properties"):
            inner = ", ".join(f"{key} = {self.bare(value)}" for key, value in of["properties"].items())
            return f"`{{ {inner} }}`"
        words = {"integer": "integer", "number": "number", "boolean": "`true` or `false`", "string": "text"}
        return words.get(one, "table" if one == "object" else one) + self.bounds(of)

    def bare(self, of):
        """The type of a value inside of code."""
        return re.sub(r"\[(\w+)\]\(#\w+\)", r"\1", self.kind(of)).replace("`", "").split(" (")[0]

    def bounds(self, of):
        said = []
        if of.get("minimum", 0) > 0:
            said.append(f"at least {of['minimum']}")
        if "exclusiveMinimum" in of:
            said.append(f"above {of['exclusiveMinimum']}")
        if "exclusiveMaximum" in of:
            said.append(f"below {of['exclusiveMaximum']}")
        return f" ({', '.join(said)})" if said else ""

    def link(self, name):
        if name not in self.choices:
            self.choices.append(name)
        return f"[{name}](#{name.lower()})"

    def rows(self, of, table=""):
        required = of.get("required", [])
        yield "| key | value | default | meaning |"
        yield "|---|---|---|---|"
        for key, value in of.get("properties", {}).items():
            # What is left out of a study that is written has no default in the schema; the guide says it.
            default, meaning = self.guide.get((table, key), (None, ""))
            default = "needed" if key in required else default or "none"
            if value.get("default") is not None:
                default = code(value["default"])
            meaning = cell(value.get("description", "")) or meaning
            yield f"| `{key}` | {self.kind(value)} | {default} | {meaning} |"

    def variants(self, of):
        yield "| value | meaning |"
        yield "|---|---|"
        for one in of.get("oneOf", of.get("anyOf", [of])):
            if "enum" in one:
                for value in one["enum"]:
                    yield f"| {code(value)} | |"
                continue
            said = cell(one.get("description", ""))
            inner = one.get("properties", {})
            for key, value in inner.items():
                if value.get("description"):
                    said = f"{said} `{key}`: {cell(value['description'])}"
                for name, deeper in value.get("properties", {}).items():
                    default = f" (default {code(deeper['default'])})" if "default" in deeper else ""
                    about = cell(deeper.get("description", "")).rstrip(".") or self.kind(deeper)
                    said = f"{said} `{name}`: {about}{default}."
            yield f"| {self.kind(one)} | {said.strip()} |"

    def sections(self):
        """The tables of a study file: its name, its schema, whether there may be several."""
        for key, value in self.schema["properties"].items():
            refs = [one for one in [value, value.get("items", {}), *value.get("anyOf", [])] if "$ref" in one]
            if not refs:
                continue
            definition = self.definition(refs[0]["$ref"].rsplit("/", 1)[1])
            if definition.get("type") == "object":
                yield key, definition, "items" in value

    def write(self):
        sections = list(self.sections())
        names = [key for key, _, _ in sections]
        top = {key: of for key, of in self.schema["properties"].items() if key not in names}
        lines = [HEAD, "## Top level", "", *self.rows({"properties": top}), ""]
        for key, definition, several in sections:
            title = f"[[{key}]]" if several else f"[{key}]"
            lines += [f"## `{title}`", "", cell(definition.get("description", "")), "", *self.rows(definition, key)]
            if isinstance(definition.get("additionalProperties"), dict):
                lines += ["| `\"…\"`, a dotted key in quotes | list, not empty | | the values to run |"]
            lines += [""]
        lines += ["## Choices", ""]
        written = 0
        while written < len(self.choices):
            name = self.choices[written]
            definition = self.definition(name)
            lines += [f"### {name}", "", cell(definition.get("description", "")), "", *self.variants(definition), ""]
            written += 1
        return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    text = Page(schema()).write()
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text() != text and f"{PAGE} is not what the schema says: run docs/reference.py")
    PAGE.write_text(text)
