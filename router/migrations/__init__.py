"""How a ledger of an older schema becomes one of the newest, by Alembic. Loaded when one is met, and only then."""
