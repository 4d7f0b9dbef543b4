"""What is measured, and what takes too long to be a test: run from the top of the repository as `python -m benchmarks.NAME`."""
