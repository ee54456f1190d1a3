"""The command line: what reads options, shows plans and leaves by an exit code.

`app` puts the commands together: `commands` makes those that restore from the table in `restorecli.commands`,
`restoring` runs them; `bench/` holds the parts of `restore bench`.
"""
