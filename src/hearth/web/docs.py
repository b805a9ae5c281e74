"""The documentation: Markdown files that ship with Hearth, as pages and as they are, and what language models read.

These texts are ours, so they are rendered without a sanitiser; raw HTML in them is not let through all the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from hearth import handbook
from hearth.errors import NotFound
from hearth.web.http import TEXT, Reply, redirect
from hearth.web.markdown import code
from hearth.web.request import Request
from hearth.web.route import Route

GROUPS = (
    ("Start", ("quickstart", "web", "clients", "push-a-model", "catalogue")),
    (
        "Use",
        ("files", "webhooks", "deployments", "trainings", "openai", "language-models", "batches", "batching", "limits"),
    ),
    ("Run a server", ("operate", "queue", "memory", "cold-boots", "scaling", "seed", "troubleshooting")),
    ("Reference", ("http", "cli", "glossary")),
)
"""Pages by their file names; those that are not named here come last."""
SHORT = {"http": "HTTP API", "cli": "Command line"}
"""Titles in the navigation, where a page's own is long."""
MARKDOWN = b"text/markdown; charset=utf-8"
_MODELS = 50
"""Models that `/llms.txt` names."""
_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_MARKS = re.compile(r"\[([^\]]*)\]\([^)]*\)|[*`]")
_LINK = re.compile(r"^(?:\./)?([\w-]+)\.md(#.*)?$")


class Heading(NamedTuple):
    id: str
    text: str
    level: int


class Page(NamedTuple):
    name: str
    title: str
    about: str
    """Its first paragraph."""
    text: str
    html: Markup
    headings: list[Heading]


class Entry(NamedTuple):
    name: str
    title: str


def _fence(tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    """Code with a button that copies it, as everywhere else."""
    language = tokens[at].info.split(" ", 1)[0]
    return (
        '<div class="codebox" data-copy-from>'
        '<button class="icon-button copy" type="button" data-copy aria-label="Copy" title="Copy">'
        '<svg class="icon" viewBox="0 0 24 24" width="18" height="18" fill="none" stroke="currentColor" '
        'stroke-width="1.8" aria-hidden="true"><rect x="9" y="9" width="11" height="11" rx="2"/>'
        '<path d="M15 9V6a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v7a2 2 0 0 0 2 2h3"/></svg></button>'
        f'<pre class="code" tabindex="0"><code>{code(tokens[at].content.rstrip(), language)}</code></pre></div>\n'
    )


_PARSER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_PARSER.renderer.rules["fence"] = _fence  # type: ignore[attr-defined] # its protocol forgot the rules


@lru_cache(maxsize=1)
def pages() -> dict[str, Page]:
    """All of them, by name. Read once: they come with the program."""
    return {path.stem: _page(path) for path in sorted(handbook.folder().glob("*.md"))}


def _page(path: Path) -> Page:
    text = _COMMENT.sub("", path.read_text(encoding="utf-8")).strip() + "\n"
    tokens = _PARSER.parse(text)
    headings = _prepared(tokens)
    title = next((heading.text for heading in headings if heading.level == 1), path.stem)
    paragraphs = [tokens[n + 1].content for n, token in enumerate(tokens) if token.type == "paragraph_open"]
    about = " ".join(_MARKS.sub(r"\1", paragraphs[0]).split()) if paragraphs else ""
    html = Markup(_PARSER.renderer.render(tokens, _PARSER.options, {}))  # our own text, without raw HTML
    return Page(path.stem, title, about, text, html, headings)


def _prepared(tokens: list[Token]) -> list[Heading]:
    """Gives headings their ids, as GitHub makes them, and turns links between files into addresses."""
    headings: list[Heading] = []
    taken: dict[str, int] = {}
    for n, token in enumerate(tokens):
        if token.type == "heading_open":
            text = "".join(c.content for c in tokens[n + 1].children or () if c.type in ("text", "code_inline"))
            id = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            taken[id] = taken.get(id, -1) + 1
            id = f"{id}-{taken[id]}" if taken[id] else id
            token.attrSet("id", id)
            headings.append(Heading(id, text, int(token.tag[1])))
        for child in token.children or ():
            if child.type == "link_open":
                child.attrSet("href", _address(str(child.attrGet("href") or "")))
    return headings


def _address(link: str) -> str:
    match = _LINK.match(link)
    if match:
        return f"/docs/{match[1]}{match[2] or ''}"
    return "/docs" if link.startswith(("../", "decisions/")) else link


def navigation() -> list[tuple[str, list[Entry]]]:
    known = pages()
    groups = [
        (title, [Entry(name, SHORT.get(name, known[name].title)) for name in names if name in known])
        for title, names in GROUPS
    ]
    named = {name for _, names in GROUPS for name in names}
    rest = [Entry(name, page.title) for name, page in known.items() if name not in named]
    return [*groups, ("More", rest)] if rest else groups


async def index(request: Request) -> Reply:
    """Every page with its first sentence."""
    return request.page("docs/index.html", groups=navigation(), pages=pages(), name="")


async def show(request: Request) -> Reply:
    """`/docs/files` is the page, `/docs/files.md` its Markdown."""
    name = request.params["name"]
    page = pages().get(name.removesuffix(".md"))
    if page is None:
        raise NotFound("The documentation has no such page.")
    if name.endswith(".md"):
        return Reply(page.text.encode(), 200, MARKDOWN, [(b"cache-control", b"no-cache")])
    order = [entry for _, entries in navigation() for entry in entries]
    at = next(n for n, entry in enumerate(order) if entry.name == page.name)
    return request.page(
        "docs/page.html",
        groups=navigation(),
        page=page,
        name=page.name,
        contents=[heading for heading in page.headings if heading.level == 2],
        before=order[at - 1] if at else None,
        after=order[at + 1] if at + 1 < len(order) else None,
    )


async def llms(request: Request) -> Reply:
    """llmstxt.org: what there is, for language models, with every page as Markdown."""
    origin = request.origin
    lines = [
        "# Hearth",
        "",
        "> A self-hosted model platform: Replicate's HTTP API and Cog's model format, on one's own machines. Official "
        f"Replicate clients work with `REPLICATE_BASE_URL={origin}` and a token of this server.",
        "",
        f"The API is under {origin}/v1, described by {origin}/openapi.json.",
    ]
    for title, entries in navigation():
        lines += ["", f"## {title}", ""]
        lines += [f"- [{pages()[e.name].title}]({origin}/docs/{e.name}.md): {pages()[e.name].about}" for e in entries]
    shown = (await request.services.models.page(limit=_MODELS)).items
    if shown:
        lines += ["", "## Models", ""]
        lines += [f"- [{m.full_name}]({origin}/{m.full_name}/llms.txt): {_line(m.description)}" for m in shown]
    return Reply(("\n".join(lines) + "\n").encode(), 200, TEXT)


def _line(text: Any) -> str:
    return " ".join(str(text or "A model.").split())


async def reference(request: Request) -> Reply:
    """An address that people guess."""
    return redirect("/docs/http")


ROUTES = (
    Route(method="GET", path="/docs", handler=index),
    Route(method="GET", path="/docs/api", handler=reference),
    Route(method="GET", path="/docs/{name}", handler=show, programs=True),
    Route(method="GET", path="/llms.txt", handler=llms, programs=True),
)
