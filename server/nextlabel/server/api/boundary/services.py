"""The services of the API by full name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc

from nextlabel.v1 import access_service_pb2_grpc as access
from nextlabel.v1 import budget_service_pb2_grpc as budget
from nextlabel.v1 import labeling_service_pb2_grpc as labeling
from nextlabel.v1 import learner_service_pb2_grpc as learner
from nextlabel.v1 import pool_service_pb2_grpc as pool
from nextlabel.v1 import project_service_pb2_grpc as project
from nextlabel.v1 import quality_service_pb2_grpc as quality
from nextlabel.v1 import report_service_pb2_grpc as report
from nextlabel.v1 import run_service_pb2_grpc as run
from nextlabel.v1 import synthesis_service_pb2_grpc as synthesis
from nextlabel.v1 import text_service_pb2_grpc as text


@dataclass(frozen=True, slots=True)
class Service:
    """How a servicer is added to a server, and the generated one that answers every call with UNIMPLEMENTED."""

    add: Callable[[Any, grpc.aio.Server], None]
    unimplemented: Callable[[], object]


SERVICES: dict[str, Service] = {
    "nextlabel.v1.ProjectService": Service(
        project.add_ProjectServiceServicer_to_server, project.ProjectServiceServicer
    ),
    "nextlabel.v1.PoolService": Service(pool.add_PoolServiceServicer_to_server, pool.PoolServiceServicer),
    "nextlabel.v1.LabelingService": Service(
        labeling.add_LabelingServiceServicer_to_server, labeling.LabelingServiceServicer
    ),
    "nextlabel.v1.LearnerService": Service(
        learner.add_LearnerServiceServicer_to_server, learner.LearnerServiceServicer
    ),
    "nextlabel.v1.RunService": Service(run.add_RunServiceServicer_to_server, run.RunServiceServicer),
    "nextlabel.v1.BudgetService": Service(budget.add_BudgetServiceServicer_to_server, budget.BudgetServiceServicer),
    "nextlabel.v1.QualityService": Service(
        quality.add_QualityServiceServicer_to_server, quality.QualityServiceServicer
    ),
    "nextlabel.v1.SynthesisService": Service(
        synthesis.add_SynthesisServiceServicer_to_server, synthesis.SynthesisServiceServicer
    ),
    "nextlabel.v1.TextService": Service(text.add_TextServiceServicer_to_server, text.TextServiceServicer),
    "nextlabel.v1.ReportService": Service(report.add_ReportServiceServicer_to_server, report.ReportServiceServicer),
    "nextlabel.v1.AccessService": Service(access.add_AccessServiceServicer_to_server, access.AccessServiceServicer),
}
