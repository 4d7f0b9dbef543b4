"""Reaches out: one file per outside system."""
