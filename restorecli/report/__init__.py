"""What a run tells its user: `events`, shown by `console` (progress, summary) or `jsonl` (JSON lines)."""
