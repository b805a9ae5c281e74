"""@cog.streaming and @cog.concurrent leave no entry in cog.yaml."""

import asyncio

import cog


class Predictor(cog.BaseRunner):
    @cog.streaming
    @cog.concurrent(max=4)
    async def run(self, text: str = "a b c") -> cog.AsyncConcatenateIterator[str]:
        for word in text.split():
            yield word + " "
            await asyncio.sleep(0)
