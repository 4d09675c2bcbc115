"""Figures: what a run costs, measured and printed beside its goals; ``python -m tests.benchmarks``.

Counts and imports are facts and must hold. Times depend on the machine: they are medians, and a goal counts as missed
only beyond a margin that a loaded machine can't explain.
"""
