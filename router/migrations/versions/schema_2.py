"""Schema 2: whose request it was, how many retries and fallbacks it took, and what went into each attempt.

Of older rows, what was not written down stays NULL; what follows from their attempts is worked out.
"""

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"

MONEY = sa.String().with_variant(sa.Numeric(), "postgresql")


def upgrade() -> None:
    for column in (
        sa.Column("key_id", sa.String()),
        sa.Column("team", sa.String()),
        sa.Column("project", sa.String()),
        sa.Column("tags", sa.String(), nullable=False, server_default="[]"),
        sa.Column("end_user", sa.String()),
        sa.Column("retries", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("fallbacks", sa.Integer(), nullable=False, server_default="0"),
    ):
        op.add_column("requests", column)
    for column in (
        sa.Column("candidate", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("part", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("estimate_low_usd", MONEY),
        sa.Column("estimate_expected_usd", MONEY),
        sa.Column("input_images", sa.Integer()),
        sa.Column("input_bytes", sa.BigInteger()),
        sa.Column("input_pixels", sa.BigInteger()),
        sa.Column("first_byte_seconds", sa.Float()),
        sa.Column("rule", sa.String()),
        sa.Column("rules_hash", sa.String()),
        sa.Column("prices_hash", sa.String()),
    ):
        op.add_column("attempts", column)
    # Calls of one candidate that began side by side cannot be told from one another: `part` stays 0.
    op.execute(
        "UPDATE attempts SET candidate = (SELECT count(DISTINCT earlier.deployment) FROM attempts AS earlier "
        "WHERE earlier.request_id = attempts.request_id AND earlier.number < attempts.number "
        "AND earlier.deployment <> attempts.deployment)"
    )
    op.execute(
        "UPDATE requests SET "
        "retries = (SELECT count(*) FROM attempts WHERE request_id = requests.id AND retry > 0), "
        "fallbacks = coalesce((SELECT max(candidate) FROM attempts WHERE request_id = requests.id), 0)"
    )
