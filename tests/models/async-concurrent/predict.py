"""Eight at a time. Says how many ran together at most, so a test can see it."""

import asyncio

from cog import BaseRunner, Input


class Predictor(BaseRunner):
    def setup(self) -> None:
        self.running = 0

    async def run(self, name: str = "one", seconds: float = Input(default=0.05, ge=0)) -> dict:
        self.running += 1
        most = self.running
        print(f"{name} begins")
        try:
            slept = 0.0
            while slept < seconds:
                await asyncio.sleep(0.005)
                slept += 0.005
                most = max(most, self.running)
        finally:
            self.running -= 1
        print(f"{name} ends")
        return {"name": name, "together": most}
