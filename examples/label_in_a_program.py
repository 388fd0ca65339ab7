"""From a pandas column to labels without a server: a function is asked about a few texts, a learner labels the rest.

Needs `pip install 'nextlabel[server]'`.
"""

import pandas as pd

from nextlabel.server import Labeler

COMPLAINTS = ["I was charged twice", "the parcel never came", "please refund me", "my box arrived broken"]
TICKETS = pd.Series([f"{complaint}, order {number}" for number in range(10) for complaint in COMPLAINTS], name="body")


def ask(text: str) -> str | None:
    """Stands for a person, a rule or another model; None would pass the text on."""
    return "billing" if "charged" in text or "refund" in text else "delivery"


def main() -> None:
    with Labeler(["billing", "delivery"], annotator=ask, budget_labels=8, batch_size=4) as labeler:
        labeler.fit(TICKETS)
        print(labeler.labels_[["text", "label", "confidence", "source"]].head().to_string())
        print(labeler.summary_)
        print(labeler.predict(["why is there a fee on my bill?", "where is my package?"]))


if __name__ == "__main__":
    main()
