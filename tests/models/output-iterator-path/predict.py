import tempfile
from typing import Iterator

from cog import BaseRunner, Path


def save(name: str, text: str) -> Path:
    path = Path(tempfile.mkdtemp()) / name
    path.write_text(text)
    return path


class Predictor(BaseRunner):
    def run(self, count: int = 3) -> Iterator[Path]:
        for n in range(count):
            print(f"made page {n}")
            yield save("page.txt", f"page {n}")
