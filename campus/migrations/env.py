"""Alembic's entry: migrates over the connection that `campus.database` hands it, in one transaction."""

from __future__ import annotations

from alembic import context

from campus.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
