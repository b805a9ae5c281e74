from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self, text: str = "ok") -> str:
        return text
