"""What must never end a run, or lose anything: tried on purpose, with a summary line each.

``python -m benchmarks.torture`` runs everything in the long form (``make torture``), ``--short`` in a short
one; ``python -m benchmarks.torture files --count 500 --seed 7`` runs one of them. Needs a POSIX system.
"""
