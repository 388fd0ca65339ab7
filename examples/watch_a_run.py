"""Follow a run with the asynchronous client: python examples/watch_a_run.py PROJECT."""

import asyncio
import sys

from nextlabel.client import connect_async


async def main(project: str) -> None:
    async with connect_async() as client:
        newest = await anext(client.runs.list(project))
        async for event in client.project(project).run(newest.run_id).watch():
            if event.HasField("curve_point_added"):
                point = event.curve_point_added.point
                print(f"round {event.round}: {point.labels} labels, accuracy {point.accuracy:.3f}")
            elif event.HasField("run_ended"):
                print(event.run_ended.detail)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
