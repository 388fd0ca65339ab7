"""Add items with embeddings of your own: python examples/given_embeddings.py items.parquet embeddings.npy."""

import sys

import numpy as np

from nextlabel.client import AddResult, ItemFile, connect


def show(result: AddResult) -> None:
    print(f"{result.accepted:,} items are durable", end="\r", file=sys.stderr)


def main(items: str, matrix: str) -> None:
    embeddings = np.load(matrix, mmap_mode="r")
    with connect() as client:
        client.projects.create(
            "vectors-example", labels=["yes", "no"], embeddings_given=True, dimension=embeddings.shape[1]
        )
        pool = client.project("vectors-example").pool
        result = pool.add(ItemFile(items), embeddings=embeddings, on_progress=show)
        for error in result.errors:
            print(f"row {error.row}: {error.message}", file=sys.stderr)
        print(f"{result.accepted:,} added, {result.duplicates:,} were there, {result.rejected:,} not taken")


if __name__ == "__main__":
    main(*sys.argv[1:])
