"""The gateway's program: reads meters, signs interval readings, stores them durably, forwards them."""
