"""The sandbox and the command line against it, as fixtures of every test here."""

from tests.fakes.cloud import cloud, make_cloud

__all__ = ["cloud", "make_cloud"]
