"""What a run tells its user: events, progress bars, summary, JSON lines."""
