class Predictor:
    """Derives from nothing of Cog's."""

    def predict(self, text: str) -> str:
        return text.upper()
