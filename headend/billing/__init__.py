"""What billing is told: determinants of a connection point and month, and what a trade costs its parties."""
