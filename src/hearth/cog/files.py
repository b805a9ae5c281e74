"""File strings between platform and wrapper, and the checks that the platform owes itself.

The wrapper sends `hearth-out:///absolute/path` for a file, and puts `hearth-text:` before a text of the model's
that looks like that. But the model runs in the wrapper's process and can send what it likes: a path counts only
if it is a plain file below the instance's own output folder.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

IN = "hearth-in://"
OUT = "hearth-out://"
TEXT = "hearth-text:"


class BadOutput(ValueError):
    """The model named an output file that is not one of its own."""


def incoming(path: Path) -> str:
    """The string for a file input: `path` must be a copy that this prediction may change or delete."""
    return f"{IN}{path.absolute()}"


def outgoing(value: Any, root: Path, found: Callable[[Path], Any]) -> Any:
    """`value` with each file string replaced by `found(path)` and each escaped text by the text.

    `root` is the instance's HEARTH_OUT. Raises BadOutput for a path outside of it, or that is no plain file.
    Values without such strings come back as they are, uncopied.
    """
    if isinstance(value, str):
        if value.startswith(OUT):
            return found(_checked(value[len(OUT) :], root))
        return value[len(TEXT) :] if value.startswith(TEXT) else value
    if isinstance(value, list):
        items = [outgoing(item, root, found) for item in value]
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    if isinstance(value, dict):
        fields = {key: outgoing(item, root, found) for key, item in value.items()}
        return fields if any(fields[key] is not value[key] for key in value) else value
    return value


def _checked(text: str, root: Path) -> Path:
    real = os.path.realpath(text)
    if not real.startswith(os.path.realpath(root) + os.sep) or os.path.islink(text):
        raise BadOutput(f"the output file {text} lies outside the output folder")
    try:
        mode = os.lstat(real).st_mode
    except OSError as error:
        raise BadOutput(f"the output file {text} can't be read: {error.strerror}") from None
    if not stat.S_ISREG(mode):
        raise BadOutput(f"the output file {text} is not a plain file")
    return Path(real)
