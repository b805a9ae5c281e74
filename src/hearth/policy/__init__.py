"""Decisions as pure functions: who runs next, how many instances, where, and what becomes of work that was cut off.

Nothing here waits, logs or reads a clock. Facts come in as records, a decision goes out with the sentence
that explains it; the engine acts on it. Asking often is cheap and changes nothing.
"""
