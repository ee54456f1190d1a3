"""What happens to pictures by chance: blur, darkness, the past of a small photo; all follow from a seed."""
