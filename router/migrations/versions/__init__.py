"""One file for each schema. Alembic loads them by their paths: they import nothing of the house."""
