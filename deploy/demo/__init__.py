"""The local demonstration: two discoms, their meters and gateways, two platforms and a sandbox exchange, as real processes."""
