"""From messages on a broker to admitted batches in the log, or refusals that say why."""
