"""What a training leaves: a version of its destination that runs the base version's code with the new weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from hearth.clock import Clock
from hearth.domain.file import parse_reference
from hearth.domain.model import Version
from hearth.domain.prediction import Prediction
from hearth.engine.outputs import OutputFailed
from hearth.store.base import Store

NO_WEIGHTS = "The training returned no weights: return a cog.Path, or an object whose field `weights` is one."


def version_id(destination: str, base: str, weights: str) -> str:
    """64 hex digits: the same weights on the same code in the same place are the same version. `weights`: SHA-256."""
    return hashlib.sha256(msgspec.json.encode([destination, base, weights])).hexdigest()


class Trainings:
    def __init__(self, *, store: Store, clock: Clock, stored: Callable[[str], None]) -> None:
        """`stored` is told each version that a training left, once it is stored."""
        self._store, self._clock, self.stored = store, clock, stored

    async def made(self, training: Prediction, base: Version, output: Any) -> tuple[dict[str, Any], Version]:
        """The output as it is shown, and the version to store with it. Raises OutputFailed for an output that
        names no file of weights, or a destination that is gone."""
        weights = _weights(output)
        reference = parse_reference(weights) if isinstance(weights, str) else None
        file = await self._store.files.get(reference[0]) if reference else None
        if file is None:
            raise OutputFailed(NO_WEIGHTS)
        destination = training.destination or ""
        owner, _, name = destination.partition("/")
        model = await self._store.models.get(owner, name)
        if model is None:
            raise OutputFailed(f"The destination {destination} was deleted while the training ran.")
        version = Version(
            id=version_id(destination, base.id, file.sha256),
            model_id=model.id,
            model=destination,
            created_at=self._clock.now(),
            cog_version=base.cog_version,
            openapi_schema=base.openapi_schema,
            recipe=msgspec.structs.replace(base.recipe, weights=file.reference),
        )
        more = output if isinstance(output, dict) else {}
        return {**more, "version": f"{destination}:{version.id}", "weights": file.reference}, version


def _weights(output: Any) -> Any:
    if isinstance(output, list) and output:
        output = output[-1]
    return output.get("weights") if isinstance(output, dict) else output
