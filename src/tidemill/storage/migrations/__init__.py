"""The history of the tables, one file a step. A step that has been released is never edited."""
