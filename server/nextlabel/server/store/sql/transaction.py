"""One unit of work over a SQL connection."""

from __future__ import annotations

from nextlabel.server.store.sql.access import SqlAccess
from nextlabel.server.store.sql.budgets import SqlBudgets
from nextlabel.server.store.sql.labeling import SqlLabeling
from nextlabel.server.store.sql.models import SqlModels
from nextlabel.server.store.sql.pool import SqlPool
from nextlabel.server.store.sql.projects import SqlProjects
from nextlabel.server.store.sql.runs import SqlRuns
from nextlabel.server.store.sql.statements import Connection


class SqlTransaction:
    """All tables on one connection; a :class:`nextlabel.server.domain.ports.Transaction`."""

    def __init__(self, connection: Connection) -> None:
        self.projects = SqlProjects(connection)
        self.pool = SqlPool(connection)
        self.labeling = SqlLabeling(connection)
        self.models = SqlModels(connection)
        self.runs = SqlRuns(connection)
        self.budgets = SqlBudgets(connection)
        self.access = SqlAccess(connection)
