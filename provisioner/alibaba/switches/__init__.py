"""Drivers for the switch, for which Alibaba publishes no API action."""

from provisioner.alibaba.switches.console import ConsoleSwitch
from provisioner.alibaba.switches.openapi import ApiCall, OpenApiSwitch
from provisioner.alibaba.switches.sni import SniSwitch

__all__ = ["ApiCall", "ConsoleSwitch", "OpenApiSwitch", "SniSwitch"]
