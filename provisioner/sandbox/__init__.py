"""A local stand-in for Alibaba Cloud: faithful where documents say how, hostile on request.

Imports nothing of the product. What it assumes beyond the documents is marked "assumed" where it is coded.
"""

from provisioner.sandbox.cloud import Sandbox
from provisioner.sandbox.settings import SandboxInstance, SandboxSettings

__all__ = ["Sandbox", "SandboxInstance", "SandboxSettings"]
