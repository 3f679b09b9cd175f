-- By which days of categories (E6) a version of a day was estimated, and by which all of them were last looked through.

ALTER TABLE days ADD COLUMN profiles BLOB CHECK (profiles IS NULL OR length(profiles) = 32); -- digest; null where they bear on no block
ALTER TABLE series_state ADD COLUMN profiles BLOB CHECK (profiles IS NULL OR length(profiles) = 32);
