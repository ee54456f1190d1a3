"""Which weights exist, and how they get from their authors into a network.

`registry` reads the catalogue, `choose` picks an entry, `resolve` finds its file (`fetch`, `download`,
`convert`; `from_file` for a file of the user's), `load` builds the network.
"""
