"""Digests, urgent news, limits, control from the desk, certificates and known installations

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('installation',
    sa.Column('fingerprint', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('beats', sa.BigInteger(), nullable=False),
    sa.Column('first_seen_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('seen_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('accepted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('problem', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('fingerprint', name=op.f('pk_installation'))
    )
    op.create_table('pace',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('free_at', sa.Double(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_pace'))
    )
    op.create_table('certificate',
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('mailing_id', sa.Integer(), nullable=False),
    sa.Column('issue', sa.Integer(), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('sha256', sa.Text(), nullable=False),
    sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['mailing_id'], ['mailing.id'], name=op.f('fk_certificate_mailing_id_mailing')),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_certificate')),
    sa.UniqueConstraint('mailing_id', 'issue', name=op.f('uq_certificate_mailing_id_issue'))
    )
    op.create_table('mailing_event',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('mailing_id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('by', sa.Text(), nullable=False),
    sa.Column('happened_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("kind IN ('held', 'released', 'paused', 'resumed', 'stopped', 'cancelled', 'retried', 'resent')", name=op.f('ck_mailing_event_kind')),
    sa.ForeignKeyConstraint(['mailing_id'], ['mailing.id'], name=op.f('fk_mailing_event_mailing_id_mailing'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_mailing_event'))
    )
    with op.batch_alter_table('mailing_event', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_mailing_event_mailing_id'), ['mailing_id'], unique=False)

    op.create_table('mailing_item',
    sa.Column('mailing_id', sa.Integer(), nullable=False),
    sa.Column('item_id', sa.Integer(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('place', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['item_id'], ['item.id'], name=op.f('fk_mailing_item_item_id_item')),
    sa.ForeignKeyConstraint(['mailing_id'], ['mailing.id'], name=op.f('fk_mailing_item_mailing_id_mailing'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('mailing_id', 'item_id', name=op.f('pk_mailing_item'))
    )
    with op.batch_alter_table('mailing_item', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_mailing_item_item_id'), ['item_id'], unique=False)

    op.create_table('edition_item',
    sa.Column('edition_id', sa.Integer(), nullable=False),
    sa.Column('item_id', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['edition_id'], ['edition.id'], name=op.f('fk_edition_item_edition_id_edition'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['item_id'], ['item.id'], name=op.f('fk_edition_item_item_id_item')),
    sa.PrimaryKeyConstraint('edition_id', 'item_id', name=op.f('pk_edition_item'))
    )
    with op.batch_alter_table('edition_item', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_edition_item_item_id'), ['item_id'], unique=False)

    with op.batch_alter_table('batch', schema=None) as batch_op:
        batch_op.add_column(sa.Column('waits_for', sa.Text(), nullable=True))
        batch_op.add_column(sa.Column('rung_at', sa.DateTime(timezone=True), nullable=True))

    with op.batch_alter_table('delivery', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_delivery_edition_id_edition'), type_='foreignkey')
        batch_op.drop_constraint(batch_op.f('fk_delivery_batch_id_batch'), type_='foreignkey')
        batch_op.drop_constraint(batch_op.f('fk_delivery_subscriber_id_subscriber'), type_='foreignkey')
        batch_op.drop_index('ix_delivery_batch_id_state')
        batch_op.create_index('ix_delivery_batch_id', ['batch_id'], unique=False)
    if op.get_bind().dialect.name == 'postgresql':
        # Room for each row's next, longer state on its own page, so that settling leaves the indexes alone.
        op.execute("ALTER TABLE delivery SET (fillfactor = 40)")

    with op.batch_alter_table('edition', schema=None) as batch_op:
        batch_op.add_column(sa.Column('reason', sa.Text(), nullable=True))
    op.execute("""
        UPDATE edition SET reason = coalesce((
            SELECT CAST(mailing.item_id AS text) || ':' || CAST(edition.topics_mask AS text)
            FROM mailing WHERE mailing.id = edition.mailing_id AND mailing.item_id IS NOT NULL
        ), '')
    """)
    with op.batch_alter_table('edition', schema=None) as batch_op:
        batch_op.alter_column('reason', existing_type=sa.Text(), nullable=False)
        batch_op.drop_constraint(batch_op.f('uq_edition_mailing_id_language_items_key_topics_mask'), type_='unique')
        batch_op.create_unique_constraint(batch_op.f('uq_edition_mailing_id_language_reason'), ['mailing_id', 'language', 'reason'])
        batch_op.drop_column('topics_mask')
        batch_op.drop_column('items_key')
    op.execute("""
        INSERT INTO edition_item (edition_id, item_id)
        SELECT edition.id, mailing.item_id FROM edition JOIN mailing ON mailing.id = edition.mailing_id
        WHERE mailing.item_id IS NOT NULL
    """)
    op.execute("""
        INSERT INTO mailing_item (mailing_id, item_id, version, place)
        SELECT id, item_id, coalesce(item_version, 1), 0 FROM mailing WHERE item_id IS NOT NULL AND state != 'new'
    """)

    with op.batch_alter_table('item', schema=None) as batch_op:
        batch_op.add_column(sa.Column('urgent', sa.Boolean(), server_default=sa.false(), nullable=False))

    with op.batch_alter_table('mailing', schema=None) as batch_op:
        batch_op.add_column(sa.Column('period_start', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('period_end', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('matched_through', sa.Integer(), server_default='0', nullable=False))
        batch_op.add_column(sa.Column('selected', sa.Integer(), server_default='0', nullable=False))
        batch_op.add_column(sa.Column('opened_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('paused_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('cancelled_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('uncertified', sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.create_index('ix_mailing_item_id', ['item_id'], unique=False)
        batch_op.create_index('ix_mailing_uncertified', ['id'], unique=False, sqlite_where=sa.text('uncertified'), postgresql_where=sa.text('uncertified'))
        batch_op.create_unique_constraint(batch_op.f('uq_mailing_kind_period_end'), ['kind', 'period_end'])
        batch_op.drop_column('item_version')
        batch_op.drop_constraint(batch_op.f('ck_mailing_kind'), type_='check')
        batch_op.create_check_constraint(batch_op.f('ck_mailing_kind'), "kind IN ('news', 'urgent', 'daily', 'weekly', 'confirmation')")
        batch_op.drop_constraint(batch_op.f('ck_mailing_state'), type_='check')
        batch_op.create_check_constraint(batch_op.f('ck_mailing_state'), "state IN ('held', 'new', 'matching', 'composing', 'sending', 'done')")
    op.execute("UPDATE mailing SET selected = (SELECT count(*) FROM delivery WHERE delivery.mailing_id = mailing.id)")
    op.execute("UPDATE mailing SET opened_at = matched_at WHERE state IN ('sending', 'done')")
    # A certificate of what finished before there were any would say more than was written down.

    op.execute("CREATE TABLE old_topic AS SELECT mailing_id, topic_id, bit FROM mailing_topic")
    op.drop_table('mailing_topic')
    op.create_table('mailing_topic',
    sa.Column('mailing_id', sa.Integer(), nullable=False),
    sa.Column('item_id', sa.Integer(), nullable=False),
    sa.Column('topic_id', sa.Integer(), nullable=False),
    sa.Column('bit', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['item_id'], ['item.id'], name=op.f('fk_mailing_topic_item_id_item')),
    sa.ForeignKeyConstraint(['mailing_id'], ['mailing.id'], name=op.f('fk_mailing_topic_mailing_id_mailing'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['topic_id'], ['topic.id'], name=op.f('fk_mailing_topic_topic_id_topic')),
    sa.PrimaryKeyConstraint('mailing_id', 'item_id', 'topic_id', name=op.f('pk_mailing_topic')),
    sa.UniqueConstraint('mailing_id', 'item_id', 'bit', name=op.f('uq_mailing_topic_mailing_id_item_id_bit'))
    )
    with op.batch_alter_table('mailing_topic', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_mailing_topic_topic_id'), ['topic_id'], unique=False)
    op.execute("""
        INSERT INTO mailing_topic (mailing_id, item_id, topic_id, bit)
        SELECT old_topic.mailing_id, mailing.item_id, old_topic.topic_id, old_topic.bit
        FROM old_topic JOIN mailing ON mailing.id = old_topic.mailing_id WHERE mailing.item_id IS NOT NULL
    """)
    op.drop_table('old_topic')

    with op.batch_alter_table('signup', schema=None) as batch_op:
        batch_op.create_index('ix_signup_waiting', ['requested_at'], unique=False, sqlite_where=sa.text('confirmed_at IS NULL'), postgresql_where=sa.text('confirmed_at IS NULL'))

    with op.batch_alter_table('subscription', schema=None) as batch_op:
        batch_op.create_index('ix_subscription_digests', ['frequency', 'began_at'], unique=False, sqlite_where=sa.text("ended_at IS NULL AND frequency != 'direct'"), postgresql_where=sa.text("ended_at IS NULL AND frequency != 'direct'"))

    with op.batch_alter_table('subscriber', schema=None) as batch_op:
        batch_op.add_column(sa.Column('refusals', sa.Integer(), server_default='0', nullable=False))



def downgrade() -> None:
    with op.batch_alter_table('subscriber', schema=None) as batch_op:
        batch_op.drop_column('refusals')

    with op.batch_alter_table('subscription', schema=None) as batch_op:
        batch_op.drop_index('ix_subscription_digests', sqlite_where=sa.text("ended_at IS NULL AND frequency != 'direct'"), postgresql_where=sa.text("ended_at IS NULL AND frequency != 'direct'"))

    with op.batch_alter_table('signup', schema=None) as batch_op:
        batch_op.drop_index('ix_signup_waiting', sqlite_where=sa.text('confirmed_at IS NULL'), postgresql_where=sa.text('confirmed_at IS NULL'))

    # What the older version has no word for goes: digests, urgent mailings, and what was held.
    op.execute("DELETE FROM certificate")
    for table in ('delivery', 'batch', 'mailing_topic', 'mailing_item', 'mailing_event'):
        op.execute(f"DELETE FROM {table} WHERE mailing_id IN (SELECT id FROM mailing WHERE kind NOT IN ('news', 'confirmation'))")
    op.execute("DELETE FROM edition_item")
    op.execute("DELETE FROM edition WHERE mailing_id IN (SELECT id FROM mailing WHERE kind NOT IN ('news', 'confirmation'))")
    op.execute("DELETE FROM mailing WHERE kind NOT IN ('news', 'confirmation')")
    op.execute("UPDATE mailing SET state = 'new' WHERE state IN ('held', 'matching')")

    op.execute("CREATE TABLE old_topic AS SELECT mailing_id, topic_id, bit FROM mailing_topic")
    op.drop_table('mailing_topic')
    op.create_table('mailing_topic',
    sa.Column('mailing_id', sa.Integer(), nullable=False),
    sa.Column('topic_id', sa.Integer(), nullable=False),
    sa.Column('bit', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['mailing_id'], ['mailing.id'], name=op.f('fk_mailing_topic_mailing_id_mailing'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['topic_id'], ['topic.id'], name=op.f('fk_mailing_topic_topic_id_topic')),
    sa.PrimaryKeyConstraint('mailing_id', 'topic_id', name=op.f('pk_mailing_topic')),
    sa.UniqueConstraint('mailing_id', 'bit', name=op.f('uq_mailing_topic_mailing_id_bit'))
    )
    with op.batch_alter_table('mailing_topic', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_mailing_topic_topic_id'), ['topic_id'], unique=False)
    op.execute("INSERT INTO mailing_topic (mailing_id, topic_id, bit) SELECT mailing_id, topic_id, bit FROM old_topic")
    op.drop_table('old_topic')

    with op.batch_alter_table('edition', schema=None) as batch_op:
        batch_op.add_column(sa.Column('items_key', sa.TEXT(), server_default='', nullable=False))
        batch_op.add_column(sa.Column('topics_mask', sa.BIGINT(), server_default='0', nullable=False))
    op.execute("""
        UPDATE edition SET
            items_key = substr(reason, 1, 20),
            topics_mask = CAST(substr(reason, length((SELECT CAST(item_id AS text) FROM mailing WHERE mailing.id = edition.mailing_id)) + 2) AS bigint)
        WHERE reason != ''
    """)
    with op.batch_alter_table('edition', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('uq_edition_mailing_id_language_reason'), type_='unique')
        batch_op.create_unique_constraint(batch_op.f('uq_edition_mailing_id_language_items_key_topics_mask'), ['mailing_id', 'language', 'items_key', 'topics_mask'])
        batch_op.drop_column('reason')

    with op.batch_alter_table('mailing', schema=None) as batch_op:
        batch_op.add_column(sa.Column('item_version', sa.INTEGER(), nullable=True))
        batch_op.drop_constraint(batch_op.f('uq_mailing_kind_period_end'), type_='unique')
        batch_op.drop_index('ix_mailing_uncertified', sqlite_where=sa.text('uncertified'), postgresql_where=sa.text('uncertified'))
        batch_op.drop_index('ix_mailing_item_id')
        batch_op.drop_column('uncertified')
        batch_op.drop_column('cancelled_at')
        batch_op.drop_column('paused_at')
        batch_op.drop_column('opened_at')
        batch_op.drop_column('selected')
        batch_op.drop_column('matched_through')
        batch_op.drop_column('period_end')
        batch_op.drop_column('period_start')
        batch_op.drop_constraint(batch_op.f('ck_mailing_kind'), type_='check')
        batch_op.create_check_constraint(batch_op.f('ck_mailing_kind'), "kind IN ('news', 'confirmation')")
        batch_op.drop_constraint(batch_op.f('ck_mailing_state'), type_='check')
        batch_op.create_check_constraint(batch_op.f('ck_mailing_state'), "state IN ('new', 'composing', 'sending', 'done')")

    with op.batch_alter_table('item', schema=None) as batch_op:
        batch_op.drop_column('urgent')

    with op.batch_alter_table('batch', schema=None) as batch_op:
        batch_op.drop_column('rung_at')
        batch_op.drop_column('waits_for')

    if op.get_bind().dialect.name == 'postgresql':
        op.execute("ALTER TABLE delivery RESET (fillfactor)")
    with op.batch_alter_table('delivery', schema=None) as batch_op:
        batch_op.drop_index('ix_delivery_batch_id')
        batch_op.create_index('ix_delivery_batch_id_state', ['batch_id', 'state'], unique=False)
        batch_op.create_foreign_key(batch_op.f('fk_delivery_edition_id_edition'), 'edition', ['edition_id'], ['id'], ondelete='CASCADE')
        batch_op.create_foreign_key(batch_op.f('fk_delivery_batch_id_batch'), 'batch', ['batch_id'], ['id'], ondelete='CASCADE')
        batch_op.create_foreign_key(batch_op.f('fk_delivery_subscriber_id_subscriber'), 'subscriber', ['subscriber_id'], ['id'], ondelete='CASCADE')

    with op.batch_alter_table('edition_item', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_edition_item_item_id'))

    op.drop_table('edition_item')
    with op.batch_alter_table('mailing_item', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_mailing_item_item_id'))

    op.drop_table('mailing_item')
    with op.batch_alter_table('mailing_event', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_mailing_event_mailing_id'))

    op.drop_table('mailing_event')
    op.drop_table('certificate')
    op.drop_table('pace')
    op.drop_table('installation')
