"""What computes: each module adapts one library to `base.Backend` (or, with a scheduler of its own, to `Source`)."""
