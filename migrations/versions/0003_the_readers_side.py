"""Personal letters, corrections, pauses, erasure, and what topics cover

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('blocked_address',
    sa.Column('key_hash', sa.Text(), nullable=False),
    sa.Column('blocked_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('key_hash', name=op.f('pk_blocked_address'))
    )
    op.create_table('correction',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('item_id', sa.Integer(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('announce', sa.Boolean(), nullable=False),
    sa.Column('corrected_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['item_id'], ['item.id'], name=op.f('fk_correction_item_id_item'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_correction'))
    )
    with op.batch_alter_table('correction', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_correction_item_id'), ['item_id'], unique=False)

    op.create_table('reader_session',
    sa.Column('key_hash', sa.Text(), nullable=False),
    sa.Column('subscriber_id', sa.Integer(), nullable=False),
    sa.Column('began_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ends_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_reader_session_subscriber_id_subscriber'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('key_hash', name=op.f('pk_reader_session'))
    )
    with op.batch_alter_table('reader_session', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_reader_session_ends_at'), ['ends_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_reader_session_subscriber_id'), ['subscriber_id'], unique=False)

    op.create_table('personal_letter',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('subscriber_id', sa.Integer(), nullable=False),
    sa.Column('signup_id', sa.Integer(), nullable=True),
    sa.Column('address', sa.Text(), nullable=True),
    sa.Column('language', sa.Text(), nullable=False),
    sa.Column('asked_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('good_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("kind IN ('reminder', 'login', 'change', 'changed', 'goodbye')", name=op.f('ck_personal_letter_kind')),
    sa.CheckConstraint("language IN ('sv', 'en')", name=op.f('ck_personal_letter_language')),
    sa.ForeignKeyConstraint(['signup_id'], ['signup.id'], name=op.f('fk_personal_letter_signup_id_signup'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_personal_letter_subscriber_id_subscriber'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_personal_letter'))
    )
    with op.batch_alter_table('personal_letter', schema=None) as batch_op:
        batch_op.create_index('ix_personal_letter_addressed', ['id'], unique=False, sqlite_where=sa.text('address IS NOT NULL'), postgresql_where=sa.text('address IS NOT NULL'))
        batch_op.create_index('ix_personal_letter_asked_at', ['asked_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_personal_letter_signup_id'), ['signup_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_personal_letter_subscriber_id'), ['subscriber_id'], unique=False)

    with op.batch_alter_table('mailing', schema=None) as batch_op:
        batch_op.add_column(sa.Column('personal_letter_id', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('correction_id', sa.Integer(), nullable=True))
        batch_op.drop_constraint(batch_op.f('uq_mailing_kind_item_id'), type_='unique')
        batch_op.create_index('uq_mailing_kind_item_id', ['kind', 'item_id'], unique=True, sqlite_where=sa.text("kind != 'correction'"), postgresql_where=sa.text("kind != 'correction'"))
        batch_op.create_unique_constraint(batch_op.f('uq_mailing_correction_id'), ['correction_id'])
        batch_op.create_unique_constraint(batch_op.f('uq_mailing_personal_letter_id'), ['personal_letter_id'])
        batch_op.create_foreign_key(batch_op.f('fk_mailing_correction_id_correction'), 'correction', ['correction_id'], ['id'])
        batch_op.create_foreign_key(batch_op.f('fk_mailing_personal_letter_id_personal_letter'), 'personal_letter', ['personal_letter_id'], ['id'], ondelete='CASCADE')
        batch_op.drop_constraint(batch_op.f('ck_mailing_kind'), type_='check')
        batch_op.create_check_constraint(batch_op.f('ck_mailing_kind'), "kind IN ('news', 'urgent', 'correction', 'daily', 'weekly', 'confirmation', 'reminder', 'login', 'change', 'changed', 'goodbye')")

    with op.batch_alter_table('signup_topic', schema=None) as batch_op:
        batch_op.add_column(sa.Column('frequency', sa.Text(), nullable=True))
        batch_op.create_check_constraint(batch_op.f('ck_signup_topic_frequency'), "frequency IN ('direct', 'daily', 'weekly')")

    with op.batch_alter_table('subscriber', schema=None) as batch_op:
        batch_op.add_column(sa.Column('paused_until', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('erased_at', sa.DateTime(timezone=True), nullable=True))

    with op.batch_alter_table('topic', schema=None) as batch_op:
        batch_op.add_column(sa.Column('about', sa.Text(), server_default='', nullable=False))
        batch_op.add_column(sa.Column('about_en', sa.Text(), server_default='', nullable=False))



def downgrade() -> None:
    # What the older version has no word for goes: corrections, and letters to one person but confirmations.
    unknown = "SELECT id FROM mailing WHERE kind NOT IN ('news', 'urgent', 'daily', 'weekly', 'confirmation')"
    op.execute(f"DELETE FROM certificate WHERE mailing_id IN ({unknown})")
    for table in ('delivery', 'batch', 'mailing_topic', 'mailing_item', 'mailing_event'):
        op.execute(f"DELETE FROM {table} WHERE mailing_id IN ({unknown})")
    op.execute(f"DELETE FROM edition_item WHERE edition_id IN (SELECT id FROM edition WHERE mailing_id IN ({unknown}))")
    op.execute(f"DELETE FROM edition WHERE mailing_id IN ({unknown})")
    op.execute(f"DELETE FROM mailing WHERE id IN ({unknown})")

    with op.batch_alter_table('topic', schema=None) as batch_op:
        batch_op.drop_column('about_en')
        batch_op.drop_column('about')

    with op.batch_alter_table('subscriber', schema=None) as batch_op:
        batch_op.drop_column('erased_at')
        batch_op.drop_column('paused_until')

    with op.batch_alter_table('signup_topic', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('ck_signup_topic_frequency'), type_='check')
        batch_op.drop_column('frequency')

    with op.batch_alter_table('mailing', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('ck_mailing_kind'), type_='check')
        batch_op.create_check_constraint(batch_op.f('ck_mailing_kind'), "kind IN ('news', 'urgent', 'daily', 'weekly', 'confirmation')")
        batch_op.drop_constraint(batch_op.f('fk_mailing_personal_letter_id_personal_letter'), type_='foreignkey')
        batch_op.drop_constraint(batch_op.f('fk_mailing_correction_id_correction'), type_='foreignkey')
        batch_op.drop_constraint(batch_op.f('uq_mailing_personal_letter_id'), type_='unique')
        batch_op.drop_constraint(batch_op.f('uq_mailing_correction_id'), type_='unique')
        batch_op.drop_index('uq_mailing_kind_item_id', sqlite_where=sa.text("kind != 'correction'"), postgresql_where=sa.text("kind != 'correction'"))
        batch_op.create_unique_constraint(batch_op.f('uq_mailing_kind_item_id'), ['kind', 'item_id'])
        batch_op.drop_column('correction_id')
        batch_op.drop_column('personal_letter_id')

    with op.batch_alter_table('personal_letter', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_personal_letter_subscriber_id'))
        batch_op.drop_index(batch_op.f('ix_personal_letter_signup_id'))
        batch_op.drop_index('ix_personal_letter_asked_at')
        batch_op.drop_index('ix_personal_letter_addressed', sqlite_where=sa.text('address IS NOT NULL'), postgresql_where=sa.text('address IS NOT NULL'))

    op.drop_table('personal_letter')
    with op.batch_alter_table('reader_session', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_reader_session_subscriber_id'))
        batch_op.drop_index(batch_op.f('ix_reader_session_ends_at'))

    op.drop_table('reader_session')
    with op.batch_alter_table('correction', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_correction_item_id'))

    op.drop_table('correction')
    op.drop_table('blocked_address')
