"""Notebooks as HTML for formgrader and for feedback, in which nothing of a student's does anything.

A notebook is first reduced to what is shown (metadata, widgets, scripts and drawings go), then rendered, and
what came of its texts is cleaned by a list of what may stay. No id and no class of a student's survives:
formgrader's own script finds its fields by them.
"""

from __future__ import annotations

import html
import re
import secrets
from contextvars import ContextVar
from typing import Any

import bleach
import nbformat
from jinja2 import BaseLoader, Environment, pass_context
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode

from grading.nbgrader_side import outputs

# fmt: off
TAGS = [
    "a", "abbr", "b", "blockquote", "br", "code", "dd", "del", "div", "dl", "dt", "em", "h1", "h2", "h3",
    "h4", "h5", "h6", "hr", "i", "img", "li", "ol", "p", "pre", "s", "small", "span", "strong", "sub", "sup",
    "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul",
]
# fmt: on
PICTURE = re.compile(r"data:image/(png|jpeg|gif);base64,[A-Za-z0-9+/=\s]*")
HIGHLIGHT = re.compile(r"[a-z][a-z0-9]?[0-9]?")  # a class of Pygments
GRADE_ID = re.compile(r"[\w.\-]{1,128}", re.ASCII)
KEPT = {
    "grade": bool,
    "solution": bool,
    "locked": bool,
    "task": bool,
    "points": float,
    "score": float,
    "comment": str,
}
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

MATHS = "{{ mathjax() }}"  # a script of another site, which would hold a page up where there is no internet

# What marks the scripts of the templates themselves in one answer: what a student brings has no such mark.
nonce: ContextVar[str] = ContextVar("nonce", default="")


class MarkingLoader(BaseLoader):
    """Another loader's templates, with their scripts marked."""

    def __init__(self, inner: BaseLoader) -> None:
        self.inner = inner

    def get_source(self, environment: Environment, template: str) -> Any:
        """A template's text."""
        text, *rest = self.inner.get_source(environment, template)
        return (text.replace(MATHS, "").replace("<script", '<script nonce="{{ nonce() }}"'), *rest)


def new_nonce() -> str:
    """A mark for one answer."""
    nonce.set(secrets.token_urlsafe(18))
    return nonce.get()


class SafeHTMLExporter(HTMLExporter):
    """nbconvert's HTML for notebooks that nobody trusts. Configured as HTMLExporter is."""

    def _create_environment(self) -> Environment:
        environment: Environment = super()._create_environment()
        assert environment.loader
        environment.loader = MarkingLoader(environment.loader)
        environment.globals["nonce"] = nonce.get
        return environment

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        """Markdown as HTML, cleaned."""
        return cleaned(HTMLExporter.markdown2html(self, context, source))

    def from_notebook_node(self, nb: NotebookNode, resources: Any = None, **more: Any) -> tuple[str, Any]:
        """Convert; whatever is a name in the resources is escaped, since templates put it where it stands."""
        self.sanitize_html = self.exclude_anchor_links = True
        resources = _escaped(resources or {})
        text, resources = super().from_notebook_node(reduced(nb), resources, **more)
        return str(text), resources


def reduced(nb: NotebookNode) -> NotebookNode:
    """A notebook of the same cells with nothing but what is shown."""
    cells = []
    for cell in nb.cells:
        source = cell.source if isinstance(cell.source, str) else ""
        if cell.cell_type == "markdown":
            plain = nbformat.v4.new_markdown_cell(source)
            attachments = _attachments(cell.get("attachments"))
            if attachments:
                plain.attachments = attachments
        else:  # a raw cell is shown as the text that it is
            plain = nbformat.v4.new_code_cell(source)
            plain.outputs = outputs.read(cell.get("outputs"), 4 * outputs.TEXT_BYTES)
            for output in plain.outputs:
                if "text/html" in output.get("data", {}):
                    output.data["text/html"] = cleaned(output.data["text/html"])
        ours = cell.metadata.get("nbgrader")
        if isinstance(ours, dict) and GRADE_ID.fullmatch(str(ours.get("grade_id"))):
            plain.metadata.nbgrader = {"grade_id": str(ours["grade_id"]), **_kept(ours)}
        cells.append(plain)
    return nbformat.v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})


def cleaned(text: str) -> str:
    """HTML without anything that acts or that formgrader's page could take for its own."""
    return str(
        bleach.clean(
            text, tags=TAGS, attributes=_allowed, protocols=["http", "https", "mailto", "data"], strip=True
        )
    )


def _allowed(tag: str, name: str, value: str) -> bool:
    if tag == "a":
        return name in ("href", "title") and not value.strip().lower().startswith("data:")
    if tag == "img":
        return name in ("alt", "title") or (name == "src" and bool(PICTURE.fullmatch(value)))
    if tag == "span":
        return name == "class" and all(HIGHLIGHT.fullmatch(each) for each in value.split())
    return tag in ("td", "th") and name in ("colspan", "rowspan")


def _kept(ours: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, kind in KEPT.items():
        value = ours.get(name)
        if isinstance(value, (bool, int, float) if kind is not str else str):
            found[name] = kind(value)
    return found


def _attachments(raw: object) -> dict[str, dict[str, str]]:
    """Pictures that were pasted into a text."""
    found: dict[str, dict[str, str]] = {}
    for name, bundle in raw.items() if isinstance(raw, dict) else ():
        for form, data in bundle.items() if isinstance(bundle, dict) else ():
            if form in ("image/png", "image/jpeg", "image/gif") and isinstance(data, str):
                found[str(name)] = {form: data}
    return found


def _escaped(value: Any) -> Any:
    """Names of students, assignments and notebooks, as text of a page; paths stay."""
    if isinstance(value, str):
        return html.escape(value)
    if isinstance(value, dict):
        return type(value)(
            {key: each if key in ("metadata", "db_url") else _escaped(each) for key, each in value.items()}
        )
    return value
