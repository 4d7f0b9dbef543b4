"""Translates between nouns and dialects: pure functions and tables, no I/O."""
