"""Measurements: what intake, verification and reading cost, as ratios to something measured beside them on the same core."""
