"""Version 1: readers' answers and the ledger.

Databases of earlier versions of DPMed hold these tables, or the first of them, and no version of the schema: what there is stays as it is,
and what is missing is made.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables that are missing."""
    _readings()
    op.create_table(
        "ledger_entries",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("digest", sa.String(32), nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "ledger_patients",
        sa.Column("set_id", sa.String(32), primary_key=True),
        sa.Column("members", sa.Text, nullable=False),
        if_not_exists=True,
    )


def _readings() -> None:
    """The tables of the reader study."""
    op.create_table(
        "readings",
        sa.Column("reading_id", sa.String(16), primary_key=True),
        sa.Column("reader", sa.String(40), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("finding", sa.String(200), nullable=False),
        sa.Column("n_cases", sa.Integer, nullable=False),
        sa.Column("balanced", sa.Boolean, nullable=False),
        sa.Column("told_after_each", sa.Boolean, nullable=False),
        sa.Column("begun_at", sa.Float, nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_readings_fingerprint", "readings", ["fingerprint"], if_not_exists=True)
    op.create_table(
        "reading_answers",
        sa.Column("reading_id", sa.String(16), sa.ForeignKey("readings.reading_id"), primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("case_id", sa.String(64), nullable=False),
        sa.Column("present", sa.Boolean, nullable=False),
        sa.Column("confidence", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("answered_at", sa.Float, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "readings_given_up",
        sa.Column("reading_id", sa.String(16), sa.ForeignKey("readings.reading_id"), primary_key=True),
        sa.Column("given_up_at", sa.Float, nullable=False),
        if_not_exists=True,
    )
