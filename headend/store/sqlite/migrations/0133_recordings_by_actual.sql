-- A window's page shows what was recorded on the ground of its actual.

CREATE INDEX recordings_by_actual ON recordings (actual, recording);
