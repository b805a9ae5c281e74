from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self) -> str:
        return "trained by a class"
