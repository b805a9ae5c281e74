"""coglet's error texts, without its prefixes."""

from __future__ import annotations

import pytest

from hearth.cog.events import plain_error


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Prediction failed: ValueError: no", "ValueError: no"),
        ("Prediction failed: Prediction failed: ValueError: no", "ValueError: no"),
        ("Prediction failed: Generator iteration error: KeyError: 'a'", "KeyError: 'a'"),
        ("Prediction failed: Async prediction failed: OSError: x", "OSError: x"),
        ("Training failed: OSError: x", "OSError: x"),
        ("Worker crashed", "Worker crashed"),
        ("ValueError: Prediction failed: x", "ValueError: Prediction failed: x"),
    ],
)
def test_prefixes_are_stripped(said: str, meant: str) -> None:
    assert plain_error(said) == meant
