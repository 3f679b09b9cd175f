"""Validation: pure rules over declared inputs, versioned parameters, findings with their numbers."""
