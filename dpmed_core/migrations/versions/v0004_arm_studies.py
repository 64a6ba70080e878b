"""Version 4: reader studies with several readers and arms."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables of these studies; readings of one reader stay as they are."""
    op.create_table(
        "arm_studies",
        sa.Column("study_id", sa.String(16), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("planned_at", sa.Float, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("ix_arm_studies_fingerprint", "arm_studies", ["fingerprint"])
    op.create_table(
        "arm_study_sessions",
        sa.Column("study_id", sa.String(16), sa.ForeignKey("arm_studies.study_id"), primary_key=True),
        sa.Column("reader", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("session", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("begun_at", sa.Float, nullable=False),
    )
    op.create_table(
        "arm_study_answers",
        sa.Column("study_id", sa.String(16), sa.ForeignKey("arm_studies.study_id"), primary_key=True),
        sa.Column("reader", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("session", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("case_id", sa.String(64), nullable=False),
        sa.Column("arm", sa.String(20), nullable=False),
        sa.Column("present", sa.Boolean, nullable=False),
        sa.Column("confidence", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("answered_at", sa.Float, nullable=False),
    )
    op.create_table(
        "arm_study_ends",
        sa.Column("study_id", sa.String(16), sa.ForeignKey("arm_studies.study_id"), primary_key=True),
        sa.Column("ended_at", sa.Float, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
