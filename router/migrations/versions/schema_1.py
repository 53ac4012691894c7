"""Schema 1: requests and attempts."""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None

MONEY = sa.String().with_variant(sa.Numeric(), "postgresql")
TIME = sa.String().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "requests",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("prompt_characters", sa.Integer(), nullable=False),
        sa.Column("prompt_sha256", sa.String(), nullable=False),
        sa.Column("size", sa.String()),
        sa.Column("quality", sa.String()),
        sa.Column("background", sa.String(), nullable=False),
        sa.Column("caller", sa.String()),
        sa.Column("metadata", sa.String(), nullable=False),
        sa.Column("rules_hash", sa.String(), nullable=False),
        sa.Column("rule", sa.String()),
        sa.Column("deployment", sa.String()),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("estimate_low_usd", MONEY),
        sa.Column("estimate_expected_usd", MONEY),
        sa.Column("estimate_worst_usd", MONEY),
        sa.Column("cost_usd", MONEY),
        sa.Column("cost_basis", sa.String(), nullable=False),
        sa.Column("at_risk_usd", MONEY, nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("adaptations", sa.Integer(), nullable=False),
        sa.Column("latency_seconds", sa.Float()),
        sa.Column("error", sa.String()),
    )
    op.create_table(
        "attempts",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("request_id", sa.String(), primary_key=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("retry", sa.Integer(), nullable=False),
        sa.Column("deployment", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("size", sa.String()),
        sa.Column("quality", sa.String()),
        sa.Column("estimate_worst_usd", MONEY),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("latency_seconds", sa.Float()),
        sa.Column("billed", sa.Boolean()),
        sa.Column("status", sa.Integer()),
        sa.Column("vendor_request_id", sa.String()),
        sa.Column("model_snapshot", sa.String()),
        sa.Column("usage", sa.String(), nullable=False),
        sa.Column("cost_usd", MONEY),
        sa.Column("cost_basis", sa.String(), nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("moderation", sa.String()),
        sa.Column("error", sa.String()),
    )
    op.create_index("requests_by_time", "requests", ["created_at"])
    op.create_index("attempts_by_request", "attempts", ["request_id", "number"])
    op.create_index("attempts_by_outcome", "attempts", ["outcome", "started_at"])
