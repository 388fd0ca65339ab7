"""The tables of filters of labels, of items that are kept in spite of them, and of what judges say of labels."""

from sqlalchemy import Table

from nextlabel.server.store.sql import column
from nextlabel.server.store.sql.table_names import metadata

label_filters = Table(
    "label_filters",
    metadata,
    column.project(primary_key=True),
    column.text("name", primary_key=True),
    column.text("rule"),
    column.boolean("enabled"),
    column.text("created_by"),
    column.integer("created_at"),
    column.text("changed_by"),
    column.integer("changed_at"),
)

kept_items = Table(
    "kept_items",
    metadata,
    column.project(primary_key=True),
    column.integer("row", primary_key=True),
    column.text("item_id"),
    column.text("kept_by"),
    column.integer("kept_at"),
)

label_verdicts = Table(
    "label_verdicts",
    metadata,
    column.project(primary_key=True),
    column.integer("row", primary_key=True),
    column.text("judge", primary_key=True),
    column.text("about", primary_key=True),
    column.text("ruling"),
    column.text("reason"),
    column.integer("judged_at"),
)
