"""Simulated meters that speak the real wire; shares no code with the readers."""
