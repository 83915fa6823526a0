"""Records and small values in an SQL database."""
