"""Pure functions and values: what is wanted against what is seen. No time, no input and no output of its own."""
