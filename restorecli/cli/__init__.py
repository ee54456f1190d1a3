"""The command line: what reads options, shows plans and leaves by an exit code.

`app` puts the commands together: `commands` makes those that restore from the table of `restorecli.commands`, and
`restoring` runs them; `bench/` holds the parts of `restore bench`.
"""
