"""The database: tables, one file per noun, and the one query builder."""
