import asyncio
import tempfile
from typing import AsyncIterator

from cog import BaseRunner, Path


class Predictor(BaseRunner):
    async def run(self, count: int = 3) -> AsyncIterator[Path]:
        for number in range(count):
            await asyncio.sleep(0)
            path = Path(tempfile.mkdtemp()) / "page.txt"
            path.write_text(f"page {number}")
            yield path
