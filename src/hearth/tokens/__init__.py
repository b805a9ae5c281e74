"""Text to tokens: the port and its adapter."""
