-- How far edits were looked through for days that they change.

ALTER TABLE series_state ADD COLUMN edit_leaf INTEGER NOT NULL DEFAULT -1;
