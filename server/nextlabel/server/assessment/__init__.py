"""What annotations are worth: agreement, consensus, calibration, drift."""
