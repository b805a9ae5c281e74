"""Chunks with a pause between them, eight streams at a time, failing half-way if asked."""

import asyncio

from cog import AsyncConcatenateIterator, BaseRunner, Input


class Predictor(BaseRunner):
    async def run(
        self,
        count: int = Input(default=5, ge=0),
        delay: float = Input(description="Seconds before each chunk but the first.", default=0.05, ge=0),
        fail_at: int = Input(description="Raise instead of this chunk.", default=-1),
    ) -> AsyncConcatenateIterator[str]:
        for number in range(count):
            if number:
                await asyncio.sleep(delay)
            if number == fail_at:
                raise RuntimeError(f"no chunk {number}")
            yield f"chunk {number} "
