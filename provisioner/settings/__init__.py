"""The configuration: its schema, how it is loaded, and what it means in the words of the model."""

from provisioner.settings.loading import find_configuration, load_settings, load_subject
from provisioner.settings.schema import Settings

__all__ = ["Settings", "find_configuration", "load_settings", "load_subject"]
