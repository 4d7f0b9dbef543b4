"""Decides: nouns and rules of agreements, deposits, access and the ledger; values in, values out."""
