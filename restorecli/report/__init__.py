"""What a run reports: `events`, shown by `console` (progress, summary) or `jsonl` (JSON lines)."""
