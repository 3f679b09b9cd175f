"""How Sakshi is run: the local demonstration, and examples for operators."""
