"""Markdown and code to HTML that may stand in our pages: whatever models and their authors write, no script runs.

markdown-it renders, nh3 (the Rust sanitiser ammonia) keeps what is on its list. Code is coloured by classes, never
by inline styles, because our content security policy has none.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup
from pygments import highlight as _highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

MAX_TEXT = 1024 * 1024
"""Characters; longer texts are shown as they are."""
MAX_CODE = 200_000
"""Characters that are coloured."""
_TAGS = {
    "a", "abbr", "b", "blockquote", "br", "caption", "code", "dd", "del", "details", "div", "dl", "dt",
    "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "ol", "p",
    "picture", "pre", "q", "s", "samp", "source", "span", "strong", "sub", "summary", "sup", "table",
    "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul"
}  # fmt: skip
_ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "title", "width", "height"},
    "source": {"srcset", "media"},
    "td": {"align"},
    "th": {"align"},
    "code": {"class"},
    "pre": {"class"},
    "span": {"class"},
    "details": {"open"},
}
_FORMATTER: HtmlFormatter[str] = HtmlFormatter(nowrap=True)


def _code(text: str, language: str, _attributes: str) -> str:
    return f'<pre class="code"><code>{code(text, language)}</code></pre>'


_PARSER = MarkdownIt("commonmark", {"html": True, "linkify": True, "highlight": _code}).enable(
    ["table", "strikethrough", "linkify"]
)


def code(text: str, language: str) -> Markup:
    """Coloured code; plain where the language is unknown."""
    lexer = _lexer(language) if language and len(text) <= MAX_CODE else None
    if lexer is None:
        return Markup.escape(text)
    return Markup(_highlight(text, lexer, _FORMATTER).rstrip("\n"))


@lru_cache(maxsize=64)
def _lexer(language: str) -> Lexer | None:
    try:
        return get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return None


def _attribute(tag: str, name: str, value: str) -> str | None:
    """A picture whose address is relative means the author's folder, which is not here: nothing is asked for it."""
    if (tag, name) == ("img", "src") and not value.startswith(("https://", "http://", "/v1/files/")):
        return None
    return value


@lru_cache(maxsize=256)
def _rendered(text: str) -> str:
    return nh3.clean(
        _PARSER.render(text),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer",
    )


def markdown(text: Any) -> Markup:
    """Sanitised HTML of a Markdown text."""
    text = str(text or "")
    if len(text) > MAX_TEXT:
        return Markup("<pre>{}</pre>").format(text)
    return Markup(_rendered(text))
