"""Every item of a pool with a label: from people, LLMs or the learner, accepted under a promise or not."""
