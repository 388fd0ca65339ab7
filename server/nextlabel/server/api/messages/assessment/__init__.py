"""How far labels and annotators can be trusted."""
