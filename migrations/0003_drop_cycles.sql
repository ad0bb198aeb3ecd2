-- Why: what the tables of podcal 0.1 held has been carried over (see the migration before this
-- one), and their calendars are read anew by the next pull. Two places for one fact would disagree.
DROP TABLE pod_config;
DROP TABLE pod_agenda;
DROP TABLE pod;
DROP TABLE room;
DROP TABLE item;
DROP TABLE feed;
ALTER TABLE service DROP COLUMN last_cycle_at;
