"""Into whom a subscriber was merged

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

MERGED = sa.text('moved_to_id IS NOT NULL')


def upgrade() -> None:
    with op.batch_alter_table('subscriber', schema=None) as batch_op:
        batch_op.add_column(sa.Column('moved_to_id', sa.Integer(), nullable=True))
        batch_op.create_index('ix_subscriber_moved_to_id', ['moved_to_id'], unique=False, sqlite_where=MERGED, postgresql_where=MERGED)


def downgrade() -> None:
    with op.batch_alter_table('subscriber', schema=None) as batch_op:
        batch_op.drop_index('ix_subscriber_moved_to_id', sqlite_where=MERGED, postgresql_where=MERGED)
        batch_op.drop_column('moved_to_id')
