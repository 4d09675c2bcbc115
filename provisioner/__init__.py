"""Take ApsaraMQ for MQTT to mutual TLS with the owner's certificate, keep it there, and bring it back on failure."""

__version__ = "0.1.0"
