"""What measures the project itself: repeated code, planted faults, coverage by room."""
