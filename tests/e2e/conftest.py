"""The sandbox and the command line against it, as fixtures of every test here."""

from tests.fakes.cloud import INSTANCE, WAITING, Cloud, Done, cloud, make_cloud, until

__all__ = ["INSTANCE", "WAITING", "Cloud", "Done", "cloud", "make_cloud", "until"]
