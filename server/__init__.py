"""Serves: settings, wiring, doors and the command line."""
