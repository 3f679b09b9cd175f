"""What the web shows, as values, and the seams that they are read through. Pure."""
