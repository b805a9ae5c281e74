import asyncio

from cog import BaseRunner


class Predictor(BaseRunner):
    async def setup(self) -> None:
        await asyncio.sleep(0)
        self.loop = asyncio.get_running_loop()

    async def run(self, text: str = "ok") -> str:
        print("same loop" if asyncio.get_running_loop() is self.loop else "another loop")
        return text
