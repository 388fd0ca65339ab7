"""How far annotators agree, with each other and with gold."""
