"""One engine for every language model package here: many generations share one model, step by step.

A `Backend` (backends/base.py) turns tokens into scores. The `Scheduler` steps all sequences together, samples
(sampling.py) under a grammar where one is asked for (grammar.py), and hands on text without stop sequences
(text.py): in a process of its own (serving.py), which takes jobs from this one (apart.py). `Engine` makes prompts
(prompt.py, chat.py) and is what packages use, through `families/`.

Nothing here knows Hearth: with weights at hand, `load(Card(...))` works in any Python program.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: its matrices here are too small for a second thread

from .engine import Engine, Request
from .errors import ModelError, UserError
from .job import Params
from .loading import Card, load

__all__ = ["Card", "Engine", "ModelError", "Params", "Request", "UserError", "load"]
