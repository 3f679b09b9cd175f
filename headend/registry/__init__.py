"""What the registry is: dated rows, sheets, and what a sheet changes. Pure."""
