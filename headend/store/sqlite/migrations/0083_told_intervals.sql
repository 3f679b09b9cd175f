-- What the exchange was told by consent has a table of its own name: other disclosures are kept elsewhere.

ALTER TABLE disclosures RENAME TO told_intervals;
