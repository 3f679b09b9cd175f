"""The conversation with the exchange: trades in, postings and words out, questions answered."""
