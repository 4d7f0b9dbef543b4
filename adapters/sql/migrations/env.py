"""Alembic's environment: migrations run on the connection they are handed, inside its transaction."""

from alembic import context

from adapters.sql.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=False)
context.run_migrations()
