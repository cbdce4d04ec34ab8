"""Formulas of the pages as MathML, when the site is built: a reader's browser needs no script and no font.

A formula is written as GitHub shows it too: `$x$` in a line, a fence ```math for one of its own.
"""

import re
from xml.etree.ElementTree import tostring

from latex2mathml.converter import convert_to_element
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor
from markdown.preprocessors import Preprocessor

FENCE = re.compile(r"^```math\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
# As GitHub has it: no space inside the dollars, no digit after them.
INLINE = r"(?<![\\$\w])\$(?=[^\s$])([^$\n]*?[^\s$\\])\$(?![\d$])"


def mathml(tex: str, display: str) -> str:
    try:
        element = convert_to_element(tex, display=display)
    except Exception as error:
        raise ValueError(f"no formula: {tex!r}: {error!r}") from error
    # The converter writes characters as references already, which must not be escaped again.
    written = tostring(element, encoding="unicode").replace("&amp;#x", "&#x")
    # What the converter does not know it shows as it is written.
    if re.search(r"\\[a-zA-Z]", written):
        raise ValueError(f"no formula: {tex!r} leaves a command")
    return written


class Displayed(Preprocessor):
    def run(self, lines):
        def stored(match):
            return "\n" + self.md.htmlStash.store(mathml(match[1], "block")) + "\n"

        return FENCE.sub(stored, "\n".join(lines)).split("\n")


class InLine(InlineProcessor):
    def handleMatch(self, match, data):
        return self.md.htmlStash.store(mathml(match[1], "inline")), match.start(0), match.end(0)


class Mathematics(Extension):
    def extendMarkdown(self, md):
        # Before fences of code, and after code in a line and before backslashes.
        md.preprocessors.register(Displayed(md), "mathematics", 27)
        md.inlinePatterns.register(InLine(INLINE, md), "mathematics", 185)


def github_slug(heading: str, separator: str) -> str:
    """The anchor that GitHub gives a heading, so that a link holds on both."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", separator)


def on_config(config):
    config.markdown_extensions.append(Mathematics())
    config.mdx_configs["toc"] = {"slugify": github_slug}
    return config
