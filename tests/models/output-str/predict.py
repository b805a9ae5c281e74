from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self) -> str:
        return "text with ü, 漢字 and 🙂"
