"""The sections of the head-end's configuration that have a job of their own."""
