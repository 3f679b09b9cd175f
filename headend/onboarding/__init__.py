"""The registry as it is kept: enrolments and sheets become signed records in the log."""
