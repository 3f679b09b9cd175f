"""What the programs say to one another, and how it is signed and proved. Imports no sibling."""
