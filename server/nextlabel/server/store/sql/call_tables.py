"""The tables of who may call, and of what calls were answered."""

from sqlalchemy import BigInteger, Column, LargeBinary, Table

from nextlabel.server.store.sql import column
from nextlabel.server.store.sql.table_names import metadata

access_tokens = Table(
    "access_tokens",
    metadata,
    column.seq(),
    column.text("id", unique=True),
    column.text("token_hash", unique=True),
    column.text("name"),
    column.text("role"),
    column.text("project"),
    column.integer("created_at"),
    column.text("annotators", server_default="[]"),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
)

replies = Table(
    "replies",
    metadata,
    column.text("request_id", primary_key=True),
    column.text("principal", primary_key=True),
    column.text("method"),
    column.text("fingerprint"),
    Column("reply", LargeBinary, nullable=False),
    column.integer("created_at", index=True),
)
