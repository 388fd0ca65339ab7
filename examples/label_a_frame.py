"""From a pandas frame to a labeled frame: a few labels by hand, the rest by the learner.

Needs a server (`nextlabel serve --data-dir data`) and pandas.
"""

import pandas as pd

from nextlabel.client import Columns, connect, frame

TICKETS = pd.DataFrame(
    {
        "body": ["I was charged twice", "the parcel never came", "please refund me", "my box arrived broken"] * 6,
        "topic": ["billing", "delivery", None, None] + [None] * 20,
    }
)
TICKETS["body"] += [f", order {number}" for number in range(len(TICKETS))]


def main() -> None:
    with connect() as client:
        client.projects.create("tickets-example", labels=["billing", "delivery"])
        tickets = client.project("tickets-example")
        tickets.pool.add_labeled(TICKETS, columns=Columns(text="body", label="topic"))
        tickets.learner.train()
        labeled = frame(tickets.labels(ask_learner=True))
        print(labeled[["text", "label", "confidence", "source"]].to_string())


if __name__ == "__main__":
    main()
