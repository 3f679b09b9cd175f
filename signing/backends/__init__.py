"""Where private keys live: one module per signer scheme."""
