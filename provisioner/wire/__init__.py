"""The wire: a client without certificate that looks, a real device session, and name resolution."""
