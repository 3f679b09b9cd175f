"""Where envelopes come from and where answers go."""
