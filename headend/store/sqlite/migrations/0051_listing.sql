-- What the API and the console list without walking whole tables.

CREATE INDEX newest_actuals_by_start ON actuals (start_utc, leaf) WHERE is_newest = 1;
CREATE INDEX postings_by_state ON postings (state, posting);
CREATE INDEX postings_of_actual ON postings (actual);
