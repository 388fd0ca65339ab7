"""Alembic's entry point: runs migrations on the connection that ``upgrade`` hands over."""

from alembic import context

from nextlabel.server.store.sql.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
