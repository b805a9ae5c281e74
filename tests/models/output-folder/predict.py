import tempfile

from cog import BaseRunner, Path


class Predictor(BaseRunner):
    def run(self) -> Path:
        return Path(tempfile.mkdtemp())
