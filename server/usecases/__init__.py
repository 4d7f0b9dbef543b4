"""What can be done, without Flask, DIMSE or SQL text."""
