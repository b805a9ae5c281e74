import asyncio

from cog import BaseRunner, Input


class Predictor(BaseRunner):
    async def run(self, seconds: float = Input(default=1, ge=0)) -> str:
        print(f"sleeping {seconds} s", flush=True)
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            print("asked to stop", flush=True)
            raise
        return "slept"
