"""What was written of items: candidates, how they are judged in another project, and the best of them."""
