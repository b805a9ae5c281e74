"""Whatever somebody writes, no script runs in our pages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth.web.markdown import code, markdown

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<svg onload=alert(1)><circle/></svg>",
    "<iframe src=https://example.com></iframe>",
    "<style>body{display:none}</style>",
    "<p style='position:fixed'>x</p>",
    "<form action=/account><button>x</button></form>",
    "<math><mtext><img src=x onerror=alert(1)></mtext></math>",
    "```html\n<script>alert(1)</script>\n```",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_no_script_survives(text: str) -> None:
    shown = str(markdown(text)).lower()
    for part in (
        "<script",
        "onerror=",
        "onload=",
        'href="javascript',
        'href="data',
        "<iframe",
        "<style",
        "style=",
        "<form",
        "<svg",
    ):
        assert part not in shown


@given(st.lists(st.sampled_from([*ATTACKS, "`", "*", "\n\n", "<", ">", '"', "x "]), max_size=8).map("".join))
def test_no_combination_does_either(text: str) -> None:
    shown = str(markdown(text)).lower()
    assert "<script" not in shown
    assert " onerror=" not in shown.replace("&lt;img src=x onerror=", "")


def test_markdown_is_markdown() -> None:
    shown = str(
        markdown("# A\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nhttps://example.com ~~x~~\n\n```python\nx = 1\n```")
    )
    for part in (
        "<h1>A</h1>",
        "<table>",
        '<a href="https://example.com"',
        "noopener",
        "<s>x</s>",
        '<span class="mi">1</span>',
    ):
        assert part in shown


def test_code_is_escaped() -> None:
    assert "<b>" not in code("<b>", "python")
    assert code("<b>", "no such language") == "&lt;b&gt;"
