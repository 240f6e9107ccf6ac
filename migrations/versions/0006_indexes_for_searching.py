"""Indexes by which searching needs no long rows

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('item', schema=None) as batch_op:
        batch_op.create_index('ix_item_readable_id', ['id', 'published_at'], unique=False, sqlite_where=sa.text('withdrawn_at IS NULL'), postgresql_where=sa.text('withdrawn_at IS NULL'))

    with op.batch_alter_table('item_topic', schema=None) as batch_op:
        batch_op.create_index('ix_item_topic_topic_id_item_id', ['topic_id', 'item_id'], unique=False)
        batch_op.drop_index('ix_item_topic_topic_id')


def downgrade() -> None:
    with op.batch_alter_table('item_topic', schema=None) as batch_op:
        batch_op.create_index('ix_item_topic_topic_id', ['topic_id'], unique=False)
        batch_op.drop_index('ix_item_topic_topic_id_item_id')

    with op.batch_alter_table('item', schema=None) as batch_op:
        batch_op.drop_index('ix_item_readable_id', sqlite_where=sa.text('withdrawn_at IS NULL'), postgresql_where=sa.text('withdrawn_at IS NULL'))
