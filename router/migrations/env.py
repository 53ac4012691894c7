"""Run by Alembic, on the connection that `ledger_databases` holds open and will commit."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], version_table="easel_schema")
context.run_migrations()
