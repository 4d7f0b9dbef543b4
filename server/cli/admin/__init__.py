"""What the operator does: a file for each few nouns."""
