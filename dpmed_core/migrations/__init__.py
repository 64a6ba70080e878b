"""How the database's tables came to be as they are: one module a version of the schema, and what brings a database up to the last."""
