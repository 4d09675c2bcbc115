"""The wire: the clients that probe an endpoint, the rehearsal on loopback, and name resolution."""
