-- How often an operator accepted other counters of the key's meter: whoever keeps what was proven in memory forgets it then.
ALTER TABLE invocation_counter ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0;
