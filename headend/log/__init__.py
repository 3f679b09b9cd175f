"""The log that the head-end keeps, and its entries in a file beside the database."""
