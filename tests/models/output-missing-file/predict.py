from cog import BaseRunner, Path


class Predictor(BaseRunner):
    def run(self) -> Path:
        # A file that was never written must be an error that says so.
        return Path("nowhere.png")
