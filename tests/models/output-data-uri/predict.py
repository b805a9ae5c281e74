from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self) -> str:
        return "data:text/plain;base64,aGVsbG8="
