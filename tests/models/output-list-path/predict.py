import tempfile

from cog import BaseRunner, Path


def save(name: str, text: str) -> Path:
    path = Path(tempfile.mkdtemp()) / name
    path.write_text(text)
    return path


class Predictor(BaseRunner):
    def run(self, count: int = 3) -> list[Path]:
        # All have the same name: order and content must survive that.
        return [save("page.txt", f"page {n}") for n in range(count)]
