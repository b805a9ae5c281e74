import tempfile

from cog import BaseRunner, Path


def save(name: str, text: str) -> Path:
    path = Path(tempfile.mkdtemp()) / name
    path.write_text(text)
    return path


class Predictor(BaseRunner):
    def run(self, text: str = "one file") -> Path:
        return save("note.txt", text)
