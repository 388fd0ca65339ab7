"""What several annotators' answers add up to."""
