"""Pages for people. Uses services, as the API does, and nothing of the engine."""
