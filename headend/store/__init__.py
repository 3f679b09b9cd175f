"""Where the head-end keeps what it must not lose. `store` is the seam; `sqlite` is the engine."""
