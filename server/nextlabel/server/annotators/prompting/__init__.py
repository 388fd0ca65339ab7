"""What is sent: wording, schema, marking, demonstrations."""
