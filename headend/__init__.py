"""The discom's program: receives, verifies, validates, aggregates, attests, posts."""
