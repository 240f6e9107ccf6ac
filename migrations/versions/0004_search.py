"""An index of words for searching, and one of dates for long lists.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

from newsroom.news.searching import IndexRow, index_items

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('item', schema=None) as batch_op:
        batch_op.create_index('ix_item_readable', ['published_at', 'id'], unique=False, sqlite_where=sa.text('withdrawn_at IS NULL'), postgresql_where=sa.text('withdrawn_at IS NULL'))

    connection = op.get_bind()
    if connection.dialect.name == 'sqlite':
        # The words are stems that we make ourselves, parted by spaces; to this tokenizer every other sign is a letter.
        op.execute("CREATE VIRTUAL TABLE item_search USING fts5(headline, words, detail=column, tokenize='ascii')")
    else:
        op.create_table('item_search',
        sa.Column('item_id', sa.Integer(), nullable=False),
        sa.Column('headline', sa.dialects.postgresql.TSVECTOR(), nullable=False),
        sa.Column('words', sa.dialects.postgresql.TSVECTOR(), nullable=False),
        sa.ForeignKeyConstraint(['item_id'], ['item.id'], name=op.f('fk_item_search_item_id_item'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('item_id', name=op.f('pk_item_search'))
        )
        # Only the index is read when searching; so the rows themselves stay small, and many fit on a page.
        op.execute("ALTER TABLE item_search SET (toast_tuple_target = 128)")
        for column in ('headline', 'words'):
            op.execute(f"ALTER TABLE item_search ALTER COLUMN {column} SET STORAGE EXTERNAL")

    last = 0
    while rows := connection.execute(
        sa.text("SELECT id, headline, lede, body, facts, language FROM item WHERE id > :last ORDER BY id LIMIT 1000"), {'last': last}
    ).all():
        index_items(connection, [IndexRow(*row) for row in rows])
        last = rows[-1][0]
    if connection.dialect.name == 'postgresql':
        for column in ('headline', 'words'):
            op.create_index(f'ix_item_search_{column}', 'item_search', [column], postgresql_using='gin')


def downgrade() -> None:
    op.execute("DROP TABLE item_search")
    with op.batch_alter_table('item', schema=None) as batch_op:
        batch_op.drop_index('ix_item_readable', sqlite_where=sa.text('withdrawn_at IS NULL'), postgresql_where=sa.text('withdrawn_at IS NULL'))
