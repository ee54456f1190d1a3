"""How quality is measured: degradations, scores and protocols."""
