"""Values only: frozen dataclasses and enums that every layer shares."""
