"""The signed statements: what each party says, one module per statement."""
