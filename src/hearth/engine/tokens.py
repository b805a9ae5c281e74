"""What follows from the tokens that a model counts: how fast they came, and what `/metrics` knows of them.

A model reports `input_token_count` and `output_token_count`. Of one that says no more, we say `time_to_first_token`
(seconds from its start to its first output) and `tokens_per_second` (after the first; all of them, where the output
came as a whole). What a model says itself stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hearth.domain.events import Event, Kind
from hearth.engine.metrics import Metrics

INPUT, OUTPUT = "input_token_count", "output_token_count"
FIRST, SPEED = "time_to_first_token", "tokens_per_second"
_MOST = 1e12
"""What is more is no count of anything."""


def complete(metrics: dict[str, Any], events: Sequence[Event], started: float, ended: float) -> None:
    """Add how fast the tokens came to the metrics of a run that counts them."""
    count = _amount(metrics.get(OUTPUT))
    if count is None:
        return
    first = next((event.at for event in events if event.kind is Kind.OUTPUT and event.at >= started), None)
    if first is not None:
        metrics.setdefault(FIRST, first - started)
    apart = first is not None and count > 1 and ended > first
    passed, tokens = (ended - first, count - 1) if first is not None and apart else (ended - started, count)
    if passed > 0:
        metrics.setdefault(SPEED, tokens / passed)


def observe(metrics: Metrics, measured: dict[str, Any]) -> None:
    """What one prediction counted."""
    for name, observed in (
        (INPUT, metrics.input_tokens.inc),
        (OUTPUT, metrics.output_tokens.inc),
        (FIRST, metrics.first_token.observe),
        (SPEED, metrics.token_speed.observe),
    ):
        amount = _amount(measured.get(name))
        if amount is not None:
            observed(amount)


def _amount(value: Any) -> float | None:
    """A model may report anything under these names."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value < _MOST else None
