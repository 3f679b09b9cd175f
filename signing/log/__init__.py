"""The transparency log: Merkle tree, tiles, checkpoint notes, proofs."""
