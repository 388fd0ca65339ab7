"""How far annotators can be trusted."""
