"""Readers of the event stream and of results: progress, text, JSON. They change nothing."""
