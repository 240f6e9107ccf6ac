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
    if op.get_bind().dialect.name == 'postgresql':
        # When hits came, without their long rows. SQLite would not use it: it takes the way by its row's number.
        op.create_index('ix_item_search_dates', 'item', ['id', 'published_at'], postgresql_where=sa.text('withdrawn_at IS NULL'))
    with op.batch_alter_table('item_topic', schema=None) as batch_op:
        batch_op.create_index('ix_item_topic_topic_id_item_id', ['topic_id', 'item_id'], unique=False)
        batch_op.drop_index('ix_item_topic_topic_id')


def downgrade() -> None:
    with op.batch_alter_table('item_topic', schema=None) as batch_op:
        batch_op.create_index('ix_item_topic_topic_id', ['topic_id'], unique=False)
        batch_op.drop_index('ix_item_topic_topic_id_item_id')
    if op.get_bind().dialect.name == 'postgresql':
        op.drop_index('ix_item_search_dates', 'item')
