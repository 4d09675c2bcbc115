"""Runs: observing, acting, waiting, verifying and rolling back, for one instance and for several."""
