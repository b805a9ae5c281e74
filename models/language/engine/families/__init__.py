"""The inputs that language models are known by: a class per table, which packages give a card."""
