"""Finding troubles and telling people of them."""
