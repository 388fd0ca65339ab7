"""One unit of work over a SQL connection."""

from __future__ import annotations

from nextlabel.server.store.sql.statements import Connection
from nextlabel.server.store.sql.tables.access import SqlAccess
from nextlabel.server.store.sql.tables.advice import SqlAdvice
from nextlabel.server.store.sql.tables.budgets import SqlBudgets
from nextlabel.server.store.sql.tables.filters import SqlFilters
from nextlabel.server.store.sql.tables.labeling import SqlLabeling
from nextlabel.server.store.sql.tables.models import SqlModels
from nextlabel.server.store.sql.tables.pool import SqlPool
from nextlabel.server.store.sql.tables.projects import SqlProjects
from nextlabel.server.store.sql.tables.runs import SqlRuns


class SqlTransaction:
    """All tables on one connection; a :class:`nextlabel.server.ports.state_store.Transaction`."""

    def __init__(self, connection: Connection) -> None:
        self.projects = SqlProjects(connection)
        self.pool = SqlPool(connection)
        self.labeling = SqlLabeling(connection)
        self.advice = SqlAdvice(connection)
        self.filters = SqlFilters(connection)
        self.models = SqlModels(connection)
        self.runs = SqlRuns(connection)
        self.budgets = SqlBudgets(connection)
        self.access = SqlAccess(connection)
