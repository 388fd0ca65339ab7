"""The pages of operators: projects, runs, money, quality, the pool."""
